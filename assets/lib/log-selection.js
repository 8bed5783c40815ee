// Lines of a log that a person has chosen, and how they move away from its end.

/** The lines as plain text. */
export function textOf(lines) {
  return lines
    .filter((line) => line.kind === "text")
    .map((line) => line.text)
    .join("\n");
}

/** Which lines an address names: { from, to }; null if none. */
export function selectionFrom(hash) {
  const found = /^#L(\d+)(?:-L(\d+))?$/.exec(hash);
  return found ? { from: Number(found[1]), to: Number(found[2] ?? found[1]) } : null;
}

/** Whoever moves upwards wants to read: `letGo` of the end, however fast the log grows meanwhile. */
export function whenMovedUp(scroller, letGo) {
  scroller.addEventListener("wheel", (event) => event.deltaY < 0 && letGo(), { passive: true });
  scroller.addEventListener("touchmove", letGo, { passive: true });
  scroller.addEventListener(
    "keydown",
    (event) => ["ArrowUp", "PageUp", "Home"].includes(event.key) && letGo(),
  );
  scroller.addEventListener("pointerdown", (event) => event.target === scroller && letGo()); // the scroll bar
}
