// What keeps itself up to date.

import { h } from "../lib/dom.js";
import { follow } from "../lib/events.js";
import { button } from "./buttons.js";
import { problemBox } from "./problems.js";
import { t } from "../lib/language.js";

const PROGRESS_MS = 3_000;

const heard = new EventTarget();

/** Call `listener` whenever a list on this page hears that something has changed in the org. */
export function onOrgChanged(listener, { signal }) {
  heard.addEventListener("changed", listener, { signal });
}

/** Load anew what is shown, after something of which the server sends no event. */
export function refreshAll() {
  heard.dispatchEvent(new Event("here"));
}

/**
 * Gives a function that calls `load()`, one call at a time: who calls it while one is under way has
 * it called once more afterwards. What goes wrong is shown in `trouble`, with a way to try again.
 * Nothing happens once `signal` is aborted. After each call it rests for `restMs`.
 */
export function refresher(load, { trouble, signal, restMs = 0 }) {
  let isRunning = false;
  let isStale = false;
  const refresh = async () => {
    isStale = true;
    if (isRunning) return;
    isRunning = true;
    while (isStale && !signal.aborted) {
      isStale = false;
      try {
        await load();
        trouble.replaceChildren();
      } catch (error) {
        if (!signal.aborted) trouble.replaceChildren(problemBox(error, mayHelp(error) && again));
      }
      if (restMs && !signal.aborted) await rest(restMs, signal);
    }
    isRunning = false;
  };
  const again = button(t`Try again`, { onclick: refresh });
  return refresh;
}

/** Wait, but no longer than the page is there: whoever waits holds all of it. */
function rest(milliseconds, signal) {
  return new Promise((resume) => {
    const end = () => (clearTimeout(timer), signal.removeEventListener("abort", end), resume());
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener("abort", end);
  });
}

/** Whether the same request can end otherwise when it is sent again. */
function mayHelp({ status = 0 }) {
  return status < 400 || status >= 500 || status === 429;
}

/**
 * Call `load()` now and whenever the org's lists change, as `refresher` does. Gives { mark, refresh
 * }.
 */
export function keepFresh(load, { trouble, signal, restMs }) {
  const refresh = refresher(load, { trouble, signal, restMs });
  const mark = liveMark();
  refresh();
  heard.addEventListener("here", refresh, { signal });
  let isFirst = true;
  follow("/events", {
    on: (name) => {
      if (name === "changed" && !isFirst) {
        refresh();
        heard.dispatchEvent(new Event("changed"));
      }
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

/**
 * Gives a function that is told after each load whether something shown has begun: how far that is
 * the server tells no list, so `refresh()` is called every few seconds while it goes on.
 */
export function refreshesWhileRunning(refresh, { signal }) {
  let timer = 0;
  signal.addEventListener("abort", () => clearTimeout(timer));
  const look = (isRunning) => {
    clearTimeout(timer);
    if (!isRunning || signal.aborted) return;
    timer = setTimeout(() => (document.hidden ? look(true) : refresh()), PROGRESS_MS);
  };
  return look;
}

/** Says whether what is shown is up to date. */
export function liveMark() {
  const text = h("span", {}, t`connecting`);
  const element = h("span", { class: "live is-waiting", role: "status" }, text);
  const words = { live: t`live`, waiting: t`reconnecting…`, closed: "" };
  const show = (status) => {
    element.className = `live is-${status}`;
    if (text.textContent !== words[status]) text.textContent = words[status];
  };
  return { element, show };
}
