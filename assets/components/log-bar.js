// What stands in the bar above a log: searching, and how it is shown.

import { h } from "../lib/dom.js";
import { remember, remembered } from "../lib/storage.js";
import { zoneName } from "../lib/times.js";
import { iconButton } from "./buttons.js";
import { input } from "./fields.js";
import { number, t } from "../lib/language.js";

const PAUSE_MS = 120; // after the last key, before the search begins

/**
 * The switches of a log: { element, endErrorsOnly() }. `followed(isOn)` and `setErrorsOnly(isOn)`
 * are told of theirs.
 */
export function toggles(view, { followed, setErrorsOnly }) {
  const wrap = toggle(
    t`Wrap`,
    remembered("log.wrap", true),
    (isOn) => (remember("log.wrap", isOn), view.setWrapped(isOn)),
  );
  const times = toggle(
    t`Times`,
    remembered("log.times", false),
    (isOn) => (remember("log.times", isOn), view.setTimed(isOn)),
  );
  times.title = t`Times of day in the time zone ${zoneName()}`;
  const errors = toggle(t`Errors`, false, setErrorsOnly);
  errors.title = t`Show standard error alone`;
  const fold = toggle(t`Fold`, false, (isOn) => view.foldAll(isOn));
  fold.title = t`Fold all phases; a heading folds and unfolds what stands below it`;
  const follow = toggle(t`Follow`, true, (isOn) => {
    followed(isOn);
    view.setFollowing(isOn);
  });
  view.onFollowing = (isOn) => follow.setAttribute("aria-pressed", String(isOn));
  const endErrorsOnly = () => {
    errors.setAttribute("aria-pressed", "false");
    setErrorsOnly(false);
  };
  const element = h("span", { class: "log-toggles" }, errors, fold, wrap, times, follow);
  return { element, endErrorsOnly };
}

function toggle(text, isOn, changed) {
  const element = h(
    "button",
    { type: "button", class: "button toggle", "aria-pressed": String(isOn) },
    text,
  );
  element.addEventListener("click", () => {
    const isPressed = element.getAttribute("aria-pressed") !== "true";
    element.setAttribute("aria-pressed", String(isPressed));
    changed(isPressed);
  });
  changed(isOn);
  return element;
}

/**
 * Where one types what is looked for, with how much is found and the ways there:
 * { bar, searched, searchNow() }. `find(text)` is called once one has typed, or at once by `searchNow`;
 * `searched` is to be told what `LogMatches` tells.
 */
export function searchBar(view, find) {
  const field = input({
    type: "search",
    placeholder: t`Search the log`,
    "aria-label": t`Search the log`,
    class: "input small",
  });
  const count = h("span", { class: "log-count", role: "status" });
  let timer = 0;
  const searchNow = () => {
    if (!timer) return false;
    clearTimeout(timer);
    timer = 0;
    find(field.value);
    return true;
  };
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(searchNow, PAUSE_MS);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    if (!searchNow()) view.matches.step(event.shiftKey ? -1 : 1); // what was typed is not found yet
  });
  const searched = ({ isSearching, place, total, isBusy, isCut }) => {
    count.textContent = !isSearching
      ? ""
      : total
        ? t`${number(place + 1)} of ${number(total)}${isBusy ? "…" : isCut ? "+" : ""}`
        : isBusy
          ? "…"
          : t`none`;
  };
  const bar = h(
    "div",
    { class: "log-search" },
    field,
    count,
    iconButton("up", t`Previous match (Shift+Enter)`, () => view.matches.step(-1)),
    iconButton("down", t`Next match (Enter)`, () => view.matches.step(1)),
  );
  return { bar, searched, searchNow };
}
