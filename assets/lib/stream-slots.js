// A browser opens six connections to one server, and a stream keeps one for as long as its page is
// looked at. So that many windows side by side leave room for what people do in them, the windows
// of one browser share four: three for whoever comes first, and one on which all others take turns
// (Web Locks).

const OWN = ["opsicle-stream-1", "opsicle-stream-2", "opsicle-stream-3"];
const IN_TURNS = "opsicle-stream-in-turns";

/**
 * Call `stream(isTurn)` when there is a connection for it, and give back what it does. With
 * `isTurn` others wait: it has to end soon, and to be asked for again.
 */
export async function inSlot(stream, signal) {
  const locks = navigator.locks;
  if (!locks) return stream(false); // not a secure context, as in a test of this page alone
  for (const name of OWN) {
    let outcome = null;
    await locks.request(name, { ifAvailable: true }, async (lock) => {
      if (lock) outcome = { value: await stream(false) };
    });
    if (outcome) return outcome.value;
  }
  return locks.request(IN_TURNS, { signal }, () => stream(true));
}
