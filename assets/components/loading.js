// Loading a page's content, with an answer for the time it takes and for when it fails.

import { loading } from "./headings.js";
import { problemBox } from "./problems.js";

/**
 * Put into `place` what `show(await load())` makes. Nothing happens any more once `signal` is
 * aborted.
 */
export async function loadInto(place, signal, load, show) {
  place.replaceChildren(loading());
  try {
    const result = await load();
    if (!signal.aborted) show(result);
  } catch (error) {
    if (!signal.aborted) place.replaceChildren(problemBox(error));
  }
}
