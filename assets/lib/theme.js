// Light or dark: what the system says, unless the person chose otherwise in this browser.

import { remember, remembered } from "./storage.js";

const dark = matchMedia("(prefers-color-scheme: dark)");

/** Which of the two is shown now. */
export function currentTheme() {
  return remembered("theme", null) ?? (dark.matches ? "dark" : "light");
}

/** Show the theme that applies, now and when the system changes its mind. */
export function startTheme() {
  apply();
  dark.addEventListener("change", apply);
}

/** Change to the other one and remember it. */
export function toggleTheme() {
  remember("theme", currentTheme() === "dark" ? "light" : "dark");
  apply();
}

function apply() {
  document.documentElement.dataset.theme = currentTheme();
}
