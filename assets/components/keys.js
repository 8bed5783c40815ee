// Keys for what hands on the keyboard do all day: go through the rows of a list, choose some, look
// for something. Each is also reached otherwise, and a person may switch them off.

import { remember, remembered } from "../lib/storage.js";

const SWITCH = "keys";
const TYPED_INTO = "input:not([type=checkbox]), textarea, select, dialog, [contenteditable]";
const OPEN = "dialog[open], :popover-open"; // has the keys to itself
const ROWS = ["tbody tr", ".list > div > ul > li", ".rows > li", ".tile li", ".pager"]
  .map((each) => `main ${each}`)
  .join();
const TAKES_FOCUS = ".row-link, a[href], button, summary";

/** Whether single keys do anything in this browser. */
export function areKeysOn() {
  return remembered(SWITCH, true);
}

/** Switch them on or off in this browser. */
export function setKeysOn(isOn) {
  remember(SWITCH, isOn ? null : false);
}

let loadDialog;

/** Show which keys there are. */
export async function showKeys() {
  const { openKeys } = await loadDialog();
  openKeys();
}

/** Listen for them on every page; `load()` loads the dialog that shows them. */
export function startKeys(load) {
  loadDialog = load;
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest(TYPED_INTO) || document.querySelector(OPEN)) return;
    if (!areKeysOn() || !actionOf(event)?.()) return;
    event.preventDefault();
  });
}

/** What a key does; it gives whether it did anything. */
function actionOf({ key, target }) {
  const isOnRow = Boolean(target.closest(ROWS)) && !target.matches("summary");
  if (isOnRow && key === "ArrowDown") return () => move(1);
  if (isOnRow && key === "ArrowUp") return () => move(-1);
  if (isOnRow && key === " " && target.matches("a")) return choose;
  const actions = { j: () => move(1), k: () => move(-1), x: choose };
  return { ...actions, Escape: chooseNone, "/": search, "?": () => (showKeys(), true) }[key];
}

/** Give the focus to the row after the one that has it, or before it: to the first one in sight. */
function move(step) {
  const rows = [...document.querySelectorAll(ROWS)].filter(placeIn);
  const at = rows.indexOf(document.activeElement.closest(ROWS));
  const isInSight = (row) => row.getBoundingClientRect().top >= 0;
  const next = at < 0 ? (rows.find(isInSight) ?? rows[0]) : rows[at + step];
  if (next) placeIn(next).focus();
  return rows.length > 0;
}

/** What takes the focus of a row; none if it is not shown. */
function placeIn(row) {
  const places = [...row.querySelectorAll(TAKES_FOCUS)];
  return row.querySelector(".row-link") ?? places.find((each) => each.getClientRects().length);
}

function choose() {
  const box = document.activeElement.closest(ROWS)?.querySelector(".row-choice > input");
  box?.click();
  return Boolean(box);
}

function chooseNone() {
  const clear = document.querySelector("main .chosen:not([hidden]) .is-clear");
  clear?.click();
  return Boolean(clear);
}

/** "/" goes to the page's search, as in many tools. */
function search() {
  const field = document.querySelector('main input[type="search"]');
  field?.focus();
  field?.select();
  return Boolean(field);
}
