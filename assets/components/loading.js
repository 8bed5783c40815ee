// Loading a page's content, with an answer for the time it takes and for when it fails.

import { loading } from "./headings.js";
import { problemBox } from "./problems.js";

const latest = new WeakMap(); // of each place, the load that counts

/**
 * Put into `place` what `show(await load())` makes. Nothing happens any more once `signal` is
 * aborted, or once something else is loaded into the same place.
 */
export async function loadInto(place, signal, load, show) {
  const turn = {};
  latest.set(place, turn);
  const isWanted = () => !signal.aborted && latest.get(place) === turn;
  place.replaceChildren(loading());
  try {
    const result = await load();
    if (isWanted()) show(result);
  } catch (error) {
    if (isWanted()) place.replaceChildren(problemBox(error));
  }
}
