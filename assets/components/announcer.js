// Saying things that happen elsewhere on the page: for screen readers always, as a note on the
// screen if asked.

import { h } from "../lib/dom.js";

const SHOWN_MS = 5_000;

const voice = h("div", { class: "unseen", role: "status", "aria-live": "polite" });
const notes = h("div", { class: "notes" });

/** The elements that must be on the page, once. */
export function announcer() {
  return [voice, notes];
}

/** Say it to screen readers. */
export function announce(text) {
  voice.textContent = text;
}

/** Say it, and show it for a while. */
export function note(text) {
  announce(text);
  const shown = h("div", { class: "note" }, text);
  notes.append(shown);
  setTimeout(() => shown.remove(), SHOWN_MS);
}
