// Lists that keep themselves up to date.

import { h } from "../lib/dom.js";
import { follow } from "../lib/events.js";
import { problemBox } from "./problems.js";

/**
 * Call `reload()` now and whenever the org's lists change, one call at a time. What goes wrong is shown in `trouble`;
 * what was shown before stays. Ends with `signal`.
 */
export function keepFresh(reload, { trouble, signal }) {
  let isRunning = false;
  let isStale = false;
  const refresh = async () => {
    isStale = true;
    if (isRunning) return;
    isRunning = true;
    while (isStale && !signal.aborted) {
      isStale = false;
      try {
        await reload();
        trouble.replaceChildren();
      } catch (error) {
        if (!signal.aborted) trouble.replaceChildren(problemBox(error));
      }
    }
    isRunning = false;
  };
  const mark = liveMark();
  refresh();
  let isFirst = true;
  follow("/events", {
    on: (name) => {
      if (name === "changed" && !isFirst) refresh();
      isFirst = false;
    },
    status: (status) => {
      if (status === "waiting") isFirst = false; // something may have changed while we were away
      mark.show(status);
    },
    failed: (error) => trouble.replaceChildren(problemBox(error)),
    signal,
  });
  return { mark: mark.element, refresh };
}

/** Says whether what is shown is up to date. */
export function liveMark() {
  const text = h("span", {}, "connecting");
  const element = h("span", { class: "live is-waiting", role: "status" }, text);
  const words = { live: "live", waiting: "reconnecting…", closed: "" };
  const show = (status) => {
    element.className = `live is-${status}`;
    if (text.textContent !== words[status]) text.textContent = words[status];
  };
  return { element, show };
}
