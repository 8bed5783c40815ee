// How a template went the last time, beside the form that runs it again.

import { get } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { markdown } from "../lib/markdown.js";
import { said } from "../lib/server-texts.js";
import { ago, duration } from "../lib/times.js";
import { visible, visibleValue } from "../lib/visible.js";
import { pairs } from "./pairs.js";
import { phaseStrip } from "./phase-strip.js";
import { stateBadge } from "./states.js";

/**
 * The section of the automation with this id, which is loaded while the form is there already; it
 * stays away where that cannot be had.
 */
export function lastResult(id, title, signal) {
  const place = h("section", { class: "last-result", hidden: true, "aria-label": title });
  fill(place, id, title, signal);
  return place;
}

async function fill(place, id, title, signal) {
  try {
    const automation = await get("/automations/{automation_id}", {
      path: { automation_id: id },
      signal,
    });
    replace(place, h("h2", {}, title), resultView(automation));
    place.hidden = false;
  } catch (error) {
    console.debug(error); // the form says what is wrong with the server
  }
}

function resultView(automation) {
  const { id, state, phases, outputs, summary, explanation, created_at: at } = automation;
  const { started_at: from, finished_at: to } = automation;
  const names = Object.keys(outputs);
  return [
    h(
      "p",
      { class: "last-result-facts" },
      h("a", { href: `/automations/${id}` }, stateBadge(state)),
      phaseStrip(phases),
      ago(at),
      from && duration(from, to),
    ),
    explanation && h("p", {}, visible(said(explanation))),
    summary && h("div", { class: "markdown" }, markdown(summary)),
    names.length > 0 && pairs(names.map((name) => [name, visibleValue(outputs[name])])),
  ];
}
