// Why an automation has failed, with the last that it printed to standard error and the way there.

import { h, replace } from "../lib/dom.js";
import { lastErrorLines } from "../lib/log-excerpts.js";
import { button } from "./buttons.js";
import { noticeBox, sentence } from "./problems.js";

const LINES = 5;

/** The banner; the lines are asked for. `goTo(number)` shows a line of the log. */
export function failureBanner({ id, explanation, started_at: started }, { goTo, signal }) {
  const place = h("div", {});
  if (started) fill(place, id, { goTo, signal });
  return noticeBox("bad", h("p", {}, sentence(explanation)), place);
}

async function fill(place, id, { goTo, signal }) {
  let lines;
  try {
    lines = await lastErrorLines(id, LINES, { signal });
  } catch {
    return; // the log below says why there is none
  }
  if (!lines.length) return;
  const { number } = lines.at(-1);
  const text = lines.map((line) =>
    h("li", {}, h("span", { class: "muted" }, `${line.number}`), h("code", {}, line.text)),
  );
  replace(
    place,
    h("ol", { class: "last-lines", "aria-label": "The last lines that it printed" }, text),
    button(`Go to line ${number.toLocaleString("en")}`, { onclick: () => goTo(number) }),
  );
}
