// Light or dark: what the system says, unless the person chose otherwise in this browser.

import { remember, remembered } from "./storage.js";

const LOOK_MS = 1_000; // of looking whether the system has changed it without a word
const dark = matchMedia("(prefers-color-scheme: dark)");

/** Which of the two is shown now. */
function currentTheme() {
  return remembered("theme", null) ?? (dark.matches ? "dark" : "light");
}

/**
 * Show the theme that applies, from now on: when the system changes its mind, which a browser does
 * not tell while the page begins, and when another window has chosen.
 */
export function startTheme() {
  apply();
  dark.addEventListener("change", apply);
  addEventListener("storage", apply);
  setInterval(apply, LOOK_MS);
}

/** Change to the other one and remember it. */
export function toggleTheme() {
  remember("theme", currentTheme() === "dark" ? "light" : "dark");
  apply();
}

function apply() {
  const { dataset } = document.documentElement;
  const theme = currentTheme();
  if (dataset.theme !== theme) dataset.theme = theme;
}
