// The top of a page, and what stands where there is nothing yet.

import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { whoAmI } from "../lib/session.js";

/** A page's heading; gives the focus after each change of page. `actions` stand at the right. */
export function pageHeading(title, { above, beside, actions, below } = {}) {
  setTitle(title);
  return h(
    "header",
    { class: "page-head" },
    above && h("div", { class: "crumbs" }, above),
    h(
      "div",
      { class: "page-title" },
      h("h1", { tabindex: "-1", dataset: { focus: "heading" } }, title),
      beside,
      h("div", { class: "actions" }, actions),
    ),
    below && h("div", { class: "page-below" }, below),
  );
}

/** The browser tab's title. */
export function setTitle(title) {
  const org = whoAmI()?.org.code;
  document.title = [title, org, "Opsicle"].filter(Boolean).join(" · ");
}

/** What to do where there is nothing to see yet. */
export function emptyState(title, ...children) {
  return h("div", { class: "empty" }, h("h2", {}, title), children);
}

/** How many bars stand for what loads. */
const BARS = { text: 3, rows: 8, page: 6 };

/** Shown while something loads: its shape, once that takes a while. `shape` is one of BARS. */
export function loading(shape = "text") {
  const bars = Array.from({ length: BARS[shape] }, () => h("span", {}));
  const text = h("span", { class: "unseen" }, t`Loading…`);
  return h("div", { class: `loading is-${shape}`, role: "status" }, text, bars);
}
