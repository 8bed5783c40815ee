// Views of one thing beside each other, of which one is in sight; which one stands in the address.

import { h, replace } from "../lib/dom.js";
import { setQuery } from "../lib/router.js";

const PARAMETER = "view";

let count = 0;

/**
 * Tabs with a panel each: `views` are { key, text, content }, where a function makes the content
 * once it is in sight. The one that the `query` of the address names is in sight, else the first.
 * Gives { element, show(key), rename(key, text) }.
 */
export function tabbed({ label, views, query }) {
  const prefix = `tabs-${++count}`;
  const tabs = new Map();
  const panels = new Map();
  const makers = new Map();
  for (const { key, text, content } of views) {
    const id = `${prefix}-${key}`;
    const tab = h("button", { type: "button", role: "tab", class: "tab", id }, text);
    tab.setAttribute("aria-controls", `${id}-panel`);
    tabs.set(key, tab);
    const panel = {
      id: `${id}-panel`,
      class: "tab-panel",
      role: "tabpanel",
      tabindex: "0",
      "aria-labelledby": id,
    };
    const isMade = typeof content !== "function";
    panels.set(key, h("div", panel, isMade && content));
    if (!isMade) makers.set(key, content);
  }
  const first = views[0].key;
  const show = (key) => {
    for (const [each, tab] of tabs) {
      const isIt = each === key;
      tab.setAttribute("aria-selected", String(isIt));
      tab.tabIndex = isIt ? 0 : -1;
      panels.get(each).hidden = !isIt;
    }
    bringIntoSight(list, tabs.get(key));
    const make = makers.get(key);
    makers.delete(key);
    if (make) replace(panels.get(key), make());
    const parameters = Object.fromEntries(new URLSearchParams(location.search));
    const wanted = key === first ? "" : key;
    if ((parameters[PARAMETER] ?? "") !== wanted) setQuery({ ...parameters, [PARAMETER]: wanted });
  };
  for (const [key, tab] of tabs) {
    tab.addEventListener("click", () => show(key));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) stepFrom(tabs, key, step, show);
    });
  }
  const list = h("div", { class: "tabs", role: "tablist", "aria-label": label }, ...tabs.values());
  show(tabs.has(query.get(PARAMETER)) ? query.get(PARAMETER) : first);
  const chosen = () => list.querySelector("[aria-selected=true]");
  new ResizeObserver(() => bringIntoSight(list, chosen())).observe(list);
  return {
    element: [list, ...panels.values()],
    show,
    rename: (key, text) => (tabs.get(key).textContent = text),
  };
}

/** Scroll the tabs, where they have less room than they need, and nothing else. */
function bringIntoSight(list, { offsetLeft: left, offsetWidth: width }) {
  list.scrollLeft = left - (list.clientWidth - width) / 2;
}

function stepFrom(tabs, key, step, show) {
  const keys = [...tabs.keys()];
  const next = keys.at((keys.indexOf(key) + step) % keys.length);
  show(next);
  tabs.get(next).focus();
}
