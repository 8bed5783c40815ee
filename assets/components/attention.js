// How much waits for the person's decision: looked at whenever something changes in the org, and
// now and then on pages that do not follow that.

import { get } from "../lib/api.js";
import { may } from "../lib/session.js";
import { onOrgChanged } from "./live.js";

const INTERVAL_MS = 30_000;
const UNTOUCHED_MS = 5 * 60_000; // asking would keep the session of somebody who has left
const MOST = 99;

const heard = new EventTarget();
let known = "";

/** Call `show(count)` now and whenever what waits for the person is counted anew. */
export function onWaitingCount(show, { signal }) {
  show(known);
  heard.addEventListener("counted", () => show(known), { signal });
}

/**
 * Watch what waits for whoever is logged in, until `stop()`. `look()` asks now, `listen(show)` calls
 * `show(count, approvals)` now and after each change; the count is a text, empty for none.
 */
export function watchWaiting() {
  const page = new AbortController();
  const listeners = [];
  let approvals = [];
  let count = "";
  let isLoading = false;
  let isStale = false;

  const look = async () => {
    if (!may("approvals.view") || document.visibilityState === "hidden") return;
    isStale = true;
    if (isLoading) return;
    isLoading = true;
    while (isStale && !page.signal.aborted) {
      isStale = false;
      try {
        const query = { whose: "inbox", limit: MOST };
        const reply = await get("/approvals", { query, signal: page.signal });
        approvals = reply.items;
        const number = String(approvals.length || "");
        count = reply.next_cursor ? `${number}+` : number;
        for (const show of listeners) show(count, approvals);
        known = count;
        heard.dispatchEvent(new Event("counted"));
      } catch {
        // The page itself says what is wrong with the server, or with the session.
      }
    }
    isLoading = false;
  };
  const { signal } = page;
  onOrgChanged(look, { signal });
  document.addEventListener("visibilitychange", look, { signal });
  let touched = Date.now();
  const touch = () => (touched = Date.now());
  for (const kind of ["pointermove", "keydown", "wheel"])
    document.addEventListener(kind, touch, { signal, passive: true });
  const timer = setInterval(() => Date.now() - touched < UNTOUCHED_MS && look(), INTERVAL_MS);
  const stop = () => (page.abort(), clearInterval(timer), (known = ""));
  const listen = (show) => (listeners.push(show), show(count, approvals));
  return { look, listen, stop };
}
