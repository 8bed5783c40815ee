// What stands in the place of a list of things of which there is none yet.

import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { may } from "../lib/session.js";
import { commandLine } from "./command-line.js";
import { emptyState } from "./headings.js";

/** Who makes things for which it takes the right of an admin, or of an operator. */
export const ADMINS = t`An admin of your org can make one.`;
export const OPERATORS = t`An operator or an admin of your org can make one.`;

/**
 * What the thing is for in one sentence, `text`, and how the first one is made: for those who may
 * do what it `takes` the `command` beside the button above, for others `by` whom.
 */
export function firstOne(title, text, { takes, command, by }) {
  const how = may(takes)
    ? [
        h("p", { class: "muted" }, t`With the button above, or in a terminal:`),
        commandLine(command),
      ]
    : h("p", { class: "muted" }, by);
  return emptyState(title, h("p", {}, text), how);
}
