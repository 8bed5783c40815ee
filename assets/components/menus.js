// Menus that open below their button.

import { h } from "../lib/dom.js";
import { icon } from "./icons.js";

const GAP_PX = 4;

let count = 0;

/** Let a <details> close when the focus leaves it, and with Esc. Gives it back. */
export function closesByItself(menu) {
  menu.addEventListener(
    "focusout",
    (event) => menu.contains(event.relatedTarget) || (menu.open = false),
  );
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    event.preventDefault(); // what else listens for it is not meant
    menu.open = false;
    menu.firstChild.focus();
  });
  return menu;
}

/** The buttons of a row behind a "⋯", which `label` names. They lie above all else when it opens. */
export function actionsMenu(label, buttons) {
  const id = `actions-${++count}`;
  const list = h("div", { id, class: "menu-list", popover: "auto", role: "group" }, buttons);
  list.setAttribute("aria-label", label);
  const opener = h("button", {
    type: "button",
    class: "button quiet icon-only",
    popovertarget: id,
    title: label,
    "aria-label": label,
    dataset: { focus: label },
  });
  opener.append(icon("more"));
  list.addEventListener(
    "beforetoggle",
    ({ newState }) => newState === "open" && place(list, opener),
  );
  list.addEventListener("toggle", ({ newState }) => {
    if (newState !== "open") return;
    buttons[0].focus();
    addEventListener("scroll", () => list.hidePopover(), { once: true, passive: true });
  });
  list.addEventListener("keydown", (event) => moveInside(event, buttons));
  return [opener, list];
}

/** Below the button, or above it in the lower part of the window. */
function place(list, opener) {
  const { top, bottom, right } = opener.getBoundingClientRect();
  const isBelow = bottom < innerHeight / 2;
  const set = (name, value) => list.style.setProperty(name, value);
  set("right", `${document.documentElement.clientWidth - right}px`);
  set("top", isBelow ? `${bottom + GAP_PX}px` : "auto");
  set("bottom", isBelow ? "auto" : `${innerHeight - top + GAP_PX}px`);
}

function moveInside(event, buttons) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const at = buttons.indexOf(document.activeElement);
  buttons.at((at + step) % buttons.length).focus();
}
