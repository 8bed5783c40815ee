// How each template's last run went, from the newest automations.

import { get } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { ago } from "../lib/times.js";
import { stateBadge } from "./states.js";

const LOOKED_AT = 200; // what one page of the list holds at most

/** The newest automation of each template, by the template's name. */
export async function lastRuns({ signal }) {
  const page = await get("/automations", { query: { limit: LOOKED_AT }, signal });
  const newest = new Map();
  for (const automation of page.items)
    if (!newest.has(automation.template)) newest.set(automation.template, automation);
  return newest;
}

/** A template's last run as a link to it. */
export function lastRun(automation) {
  if (!automation) return h("span", { class: "muted" }, "no run lately");
  return h(
    "a",
    { class: "last-run", href: `/automations/${automation.id}` },
    stateBadge(automation.state),
    ago(automation.created_at),
  );
}
