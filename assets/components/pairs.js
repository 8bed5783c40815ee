// Names with their values: what there is to know of one thing.

import { h } from "../lib/dom.js";
import { visible } from "../lib/visible.js";

/** The `rows` are [name, value] each; as "facts" code in a value stands in its line. */
export function pairs(rows, look = "") {
  return h(
    "dl",
    { class: `values ${look}` },
    rows.map(([name, value]) => [h("dt", {}, visible(name)), h("dd", {}, value)]),
  );
}
