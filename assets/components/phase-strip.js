// The phases of an automation in a row of a list: a mark for each, in the colour of its state.

import { h } from "../lib/dom.js";
import { number, t } from "../lib/language.js";
import { visible } from "../lib/visible.js";
import { stateText } from "./states.js";

const DONE = new Set(["succeeded", "done_before"]);
const SAID = ["failed", "timed_out", "unknown", "cancelled", "running"];

/** The marks; "" where nothing is known of its phases. */
export function phaseStrip(phases) {
  if (!phases?.length) return "";
  const text = stripText(phases);
  return h(
    "span",
    { class: "phase-strip", role: "img", "aria-label": text, title: text },
    phases.map(({ state }) => h("span", { class: `phase-mark state-${state}` })),
  );
}

/** How many are done, and the one that matters most: what has failed, else what runs. */
function stripText(phases) {
  const done = phases.filter(({ state }) => DONE.has(state)).length;
  const count = t`${number(done)} of ${number(phases.length)} phases done`;
  const found = SAID.map((state) => phases.find((each) => each.state === state)).find(Boolean);
  return found ? `${count}, ${visible(found.name)}: ${stateText(found.state)}` : count;
}
