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

/** Shown while something loads; appears only if that takes a while. */
export function loading(text = t`Loading…`) {
  return h("p", { class: "loading", role: "status" }, text);
}
