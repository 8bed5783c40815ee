// Waiting until the mouse button or finger is up: what moves under it meanwhile makes a click miss
// its button.

let isDown = false;
const waiting = [];

document.addEventListener("pointerdown", () => (isDown = true), true);
for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, release, true);

/** Run it now, or after the click that is under way. */
export function afterClick(run) {
  if (isDown) waiting.push(run);
  else run();
}

function release() {
  isDown = false;
  setTimeout(() => waiting.splice(0).forEach((run) => run())); // the click itself comes first
}
