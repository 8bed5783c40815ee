// The machines on which an automation runs one by one, as a table.

import { h } from "../lib/dom.js";
import { duration } from "../lib/times.js";
import { visible } from "../lib/visible.js";
import { stateBadge } from "./states.js";

const HEADINGS = ["Target", "State", "Took", "Exit code"];

export function targetsView(targets) {
  return h(
    "section",
    { class: "targets" },
    h("h2", {}, `Targets (${targets.length})`),
    h(
      "table",
      { class: "table" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          HEADINGS.map((text) => h("th", { scope: "col" }, text)),
        ),
      ),
      h("tbody", {}, targets.map(rowView)),
    ),
  );
}

function rowView(target) {
  const { name, state, automation_id: id, exit_code: code, reason } = target;
  const took = target.started_at && duration(target.started_at, target.finished_at);
  return h(
    "tr",
    {},
    h("td", {}, id ? h("a", { href: `/automations/${id}` }, visible(name)) : visible(name)),
    h(
      "td",
      { "data-label": "State" },
      stateBadge(state),
      reason && h("p", { class: "muted small" }, visible(reason)),
    ),
    h("td", { "data-label": "Took" }, took || ""),
    h("td", { "data-label": "Exit code" }, code ?? ""),
  );
}

/** On which machines a template runs, by the labels that they have. */
export function runsOnText({ kind, names = [] }, hasLabels) {
  const what = kind === "targets" ? "target" : "worker";
  const named = names.length > 0 ? `, of ${names.join(", ")},` : "";
  return hasLabels ? `On each ${what}${named} with ` : `On each ${what}${named.slice(0, -1)}.`;
}

/** How many machines run at once, and when no further one begins. */
export function fanOutText({ parallel, max_failures: most = 0 }) {
  const atOnce = parallel ? `${parallel} at once` : "all at once";
  const failed = most === 0 ? "one has" : `more than ${most} have`;
  return `On each, ${atOnce}; once ${failed} not succeeded, no further one begins`;
}
