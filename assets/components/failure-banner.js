// Why an automation has failed, with the last that it printed to standard error and the way there.

import { h, replace } from "../lib/dom.js";
import { button } from "./buttons.js";
import { noticeBox, sentence } from "./problems.js";
import { number, t } from "../lib/language.js";

/** How many lines it shows. */
export const BANNER_LINES = 5;

/**
 * The banner; `excerpt` comes as `failureExcerpt` gives it. `goTo(number)` shows a line of the log.
 */
export function failureBanner({ explanation }, { excerpt, goTo }) {
  const place = h("div", {});
  fill(place, excerpt, goTo);
  return noticeBox("bad", h("p", {}, sentence(explanation)), place);
}

async function fill(place, excerpt, goTo) {
  const { lines, first } = await excerpt;
  if (!lines.length) return;
  const text = lines.map((line) =>
    h("li", {}, h("span", { class: "muted" }, `${line.number}`), h("code", {}, line.text)),
  );
  replace(
    place,
    h("ol", { class: "last-lines", "aria-label": t`The last lines that it printed` }, text),
    button(t`Go to line ${number(first)}`, { onclick: () => goTo(first) }),
  );
}
