// Which item of a list is shown in a dialog stands in the address, so that a link leads to it.

import { replaceQuery } from "../lib/router.js";

const NAME = "show";

/** The name of what the address says is shown; null if nothing is. */
export function shownItem() {
  return new URLSearchParams(location.search).get(NAME);
}

/** Note in the address what is shown; null once nothing is. */
export function noteShown(name) {
  const query = new URLSearchParams(location.search);
  if (name === null) query.delete(NAME);
  else query.set(NAME, name);
  const text = String(query);
  replaceQuery(text && `?${text}`);
}

/** Have the address say that nothing is shown once the last dialog has closed. */
export function forgetWhenClosed(signal) {
  const forget = () => document.querySelector("dialog[open]") || noteShown(null);
  document.addEventListener("close", forget, { capture: true, signal }); // it does not bubble
}
