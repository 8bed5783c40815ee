// Menus that open below their button.

/** Let a <details> close when the focus leaves it, and with Esc. Gives it back. */
export function closesByItself(menu) {
  menu.addEventListener(
    "focusout",
    (event) => menu.contains(event.relatedTarget) || (menu.open = false),
  );
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.firstChild.focus();
  });
  return menu;
}
