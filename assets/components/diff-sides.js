// A unified diff with the two versions beside each other; where it is narrow, below each other.

import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { visible } from "../lib/visible.js";

const PLACE = /^@@ -(\d+)(?:,\d+)? \+(\d+)/;
const SIGNS = { removed: "-", added: "+", same: " " };

/** Show a unified diff: each line that was removed stands beside the one that took its place. */
export function sideBySide(diff) {
  if (!diff.trim()) return h("p", { class: "muted" }, t`The two versions are the same.`);
  return h(
    "div",
    { class: "source diff-sides", tabindex: "0", role: "region", "aria-label": t`Differences` },
    rowsOf(diff).map(rowView),
  );
}

/**
 * Rows of { left, right }, each a line with its number or null; or of the `place` of what follows.
 */
function rowsOf(diff) {
  const rows = [];
  let numbers = [0, 0];
  let [removed, added] = [[], []];
  const flush = () => {
    for (let i = 0; i < Math.max(removed.length, added.length); i += 1)
      rows.push({ left: removed[i] ?? null, right: added[i] ?? null });
    [removed, added] = [[], []];
  };
  for (const line of diff.replace(/\n$/, "").split("\n").slice(2)) {
    const [sign, text] = [line[0], line.slice(1)];
    const place = PLACE.exec(line);
    if (place) {
      flush();
      numbers = [Number(place[1]), Number(place[2])];
      rows.push({ place: line });
    } else if (sign === "-") {
      removed.push({ number: numbers[0]++, text, kind: "removed" });
    } else if (sign === "+") {
      added.push({ number: numbers[1]++, text, kind: "added" });
    } else {
      flush();
      const same = (number) => ({ number, text, kind: "same" });
      rows.push({ left: same(numbers[0]++), right: same(numbers[1]++) });
    }
  }
  flush();
  return rows;
}

function rowView({ place, left, right }) {
  if (place) return h("div", { class: "diff-place" }, place);
  const [before, after] = left && right ? changedParts(left.text, right.text) : [null, null];
  return [sideView(left, before), sideView(right, after, "is-new")];
}

function sideView(line, changed, side = "") {
  if (!line) return h("div", { class: `diff-side is-nothing ${side}` });
  const { number, text, kind } = line;
  return h(
    "div",
    { class: `diff-side is-${kind} ${side}` },
    h("span", { class: "source-number" }, String(number)),
    h("span", { class: "diff-sign" }, SIGNS[kind]),
    h("span", { class: "diff-text" }, changed ? markedText(text, changed) : visible(text)),
  );
}

function markedText(text, [from, to]) {
  const [before, middle, after] = [text.slice(0, from), text.slice(from, to), text.slice(to)];
  return [
    visible(before),
    middle && h("span", { class: "diff-changed" }, visible(middle)),
    visible(after),
  ];
}

/** From where to where two lines differ, in each of them; nulls where they are the same. */
function changedParts(a, b) {
  if (a === b) return [null, null];
  const most = Math.min(a.length, b.length);
  let start = 0;
  while (start < most && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < most - start && a.at(-1 - end) === b.at(-1 - end)) end += 1;
  return [
    [start, a.length - end],
    [start, b.length - end],
  ];
}
