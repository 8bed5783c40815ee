// How a template last went on a target: the version that last succeeded, and what came after it.

import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { ago } from "../lib/times.js";
import { visible } from "../lib/visible.js";
import { stateBadge, stateDot } from "./states.js";

/** The version that last succeeded there, as a link to the automation. */
export function succeededVersion({ target, template, succeeded }) {
  if (!succeeded) return h("span", { class: "muted" }, t`never succeeded`);
  const what = h("span", { class: "unseen" }, t`${template} on ${visible(target)}`, ": ");
  return runLink(succeeded, [
    stateDot("succeeded"),
    h("span", {}, what, t`version ${succeeded.version}`),
  ]);
}

/** Says that the version is not the newest, if so. */
export function behindFact({ is_behind: isBehind, latest_version: latest }) {
  return isBehind && h("span", { class: "fact is-behind" }, t`behind version ${latest}`);
}

/** What ended there after the last success, or without one, as a link; false if nothing did. */
export function laterEnd({ target, template, last_run: last }) {
  if (last.state === "succeeded") return false;
  const what = h("span", { class: "unseen" }, t`${template} on ${visible(target)}`, ": ");
  const text = t`version ${last.version}, ${ago(last.ended_at)}`;
  return runLink(last, [stateBadge(last.state), h("span", { class: "small" }, what, text)]);
}

function runLink({ automation_id: id }, content) {
  const look = { class: "ended-run" };
  return id ? h("a", { href: `/automations/${id}`, ...look }, content) : h("span", look, content);
}
