// A one-time link, to be handed on.

import { h } from "../lib/dom.js";
import { exactTime } from "../lib/times.js";
import { copyButton } from "./buttons.js";
import { t } from "../lib/language.js";

/** What a dialog shows of a link that its person uses once. */
export function linkBox(url, until) {
  return [
    h("p", {}, t`Give them this link. It works once, until ${exactTime(until)}.`),
    h("pre", { class: "command-line", tabindex: "0" }, url),
    copyButton(() => url),
  ];
}
