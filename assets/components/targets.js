// The machines on which an automation runs one by one, as a table.

import { h } from "../lib/dom.js";
import { duration } from "../lib/times.js";
import { visible } from "../lib/visible.js";
import { column, rowOf, tableOf } from "./list-table.js";
import { stateBadge } from "./states.js";

const COLUMNS = [
  column("Target", ({ name }) => visible(name)),
  column("State", ({ state }) => stateBadge(state)),
  column("Took", tookText),
  column("Exit code", ({ exit_code: code }) => code ?? "–"),
  column("Why", ({ reason }) => visible(reason) || "–", { size: "tall" }),
];

export function targetsView(targets) {
  const label = `Targets (${targets.length})`;
  const rows = targets.map((target) => {
    const { name, automation_id: id } = target;
    return rowOf(COLUMNS, target, { name, href: id && `/automations/${id}` });
  });
  const table = tableOf(COLUMNS, h("tbody", { role: "rowgroup" }, rows), { label });
  return h("section", { class: "targets" }, h("h2", {}, label), table);
}

function tookText({ started_at: from, finished_at: to }) {
  return from ? duration(from, to) : "–";
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
