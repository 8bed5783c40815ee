// The machines on which an automation runs one by one, as a table.

import { h } from "../lib/dom.js";
import { wantedLabels } from "../lib/placement.js";
import { said } from "../lib/server-texts.js";
import { duration, durationText } from "../lib/times.js";
import { visible } from "../lib/visible.js";
import { column, rowOf, tableOf } from "./list-table.js";
import { stateBadge } from "./states.js";
import { t } from "../lib/language.js";

const COLUMNS = [
  column(t`Target`, ({ name }) => visible(name)),
  column(t`State`, ({ state }) => stateBadge(state)),
  column(t`Took`, tookText, { isNumber: true }),
  column(t`Exit code`, ({ exit_code: code }) => code ?? "–"),
  column(t`Why`, ({ reason }) => visible(said(reason)) || "–", { size: "tall" }),
];

const WEEK = 604_800; // seconds; what a template has that does not say

export function targetsView(targets) {
  const label = t`Targets`;
  const rows = targets.map((target) => {
    const { name, automation_id: id } = target;
    return rowOf(COLUMNS, target, { name, href: id && `/automations/${id}` });
  });
  return tableOf(COLUMNS, h("tbody", { role: "rowgroup" }, rows), { label });
}

function tookText({ started_at: from, finished_at: to }) {
  return from ? duration(from, to) : "–";
}

/** What an automation runs, and for which machine if it is the part for one. */
export function whatRuns({ template, target, version }) {
  if (version === 0)
    return target ? t`${template} (draft) on ${visible(target)}` : t`${template} (draft)`;
  return target ? t`${template} on ${visible(target)}` : template;
}

/** Where a template runs: on which worker, or on each of which machines. */
export function placeView(template) {
  const { fan_out: fanOut } = template;
  const labels = wantedLabels(template).map((text) => h("code", { class: "fact" }, visible(text)));
  return [h("p", {}, placeText(template, labels)), fanOut && h("p", {}, fanOutText(fanOut), ".")];
}

function placeText({ fan_out: fanOut, accepts_claimed: isClaimed }, labels) {
  if (fanOut) return runsOnText(fanOut, labels);
  if (!labels.length) return t`On any worker.`;
  return isClaimed
    ? t`On a worker that at least says of itself that it has ${labels}`
    : t`On a worker with ${labels}`;
}

/** On which machines a template runs, by the labels that they have. */
function runsOnText({ kind, names = [] }, labels) {
  const what = kind === "targets" ? t`each target` : t`each worker`;
  const named = names.length > 0 ? t`${what}, of ${names.join(", ")}` : what;
  if (!labels.length) return t`On ${named}.`;
  return names.length > 0 ? t`On ${named}, with ${labels}` : t`On ${named} with ${labels}`;
}

/** How many machines run at once, and when no further one begins. */
export function fanOutText({ parallel, max_failures: most = 0, timeout = WEEK }) {
  const atOnce = parallel ? t`${parallel} at once` : t`all at once`;
  const over = durationText(timeout * 1000);
  return most === 0
    ? t`On each, ${atOnce}; once one has not succeeded, no further one begins; all is over after ${over}`
    : t`On each, ${atOnce}; once more than ${most} have not succeeded, no further one begins; all is over after ${over}`;
}
