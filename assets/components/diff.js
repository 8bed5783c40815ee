// A unified diff, readable without colours too: the signs stay.

import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { visible } from "../lib/visible.js";

const KINDS = { "+": "added", "-": "removed", "@": "place" };

/** Show a unified diff; the two lines that name the files are left out. */
export function diffView(diff) {
  if (!diff.trim()) return h("p", { class: "muted" }, t`The two versions are the same.`);
  const lines = diff.replace(/\n$/, "").split("\n");
  return changedLines(lines[0].startsWith("--- ") ? lines.slice(2) : lines);
}

/** Show lines, each of which begins with the sign of what became of it. */
export function changedLines(lines) {
  return h(
    "div",
    { class: "source diff", tabindex: "0", role: "region", "aria-label": t`Differences` },
    lines.map(diffLine),
  );
}

function diffLine(line) {
  const kind = KINDS[line[0]] ?? "same";
  return h("div", { class: `diff-line is-${kind}` }, visible(line) || " ");
}
