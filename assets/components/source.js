// A document with line numbers, and problems beside the lines they are about.

import { h } from "../lib/dom.js";
import { visible } from "../lib/visible.js";

/**
 * The text with its line numbers; `problems` {line, message} stand under their lines. `goTo(line)`
 * scrolls there.
 */
export function sourceView(text, problems = []) {
  const byLine = Map.groupBy(
    problems.filter((problem) => problem.line),
    (problem) => problem.line,
  );
  const lines = text.replace(/\n$/, "").split("\n");
  const rows = lines.map((line, i) => row(i + 1, line, byLine.get(i + 1) ?? []));
  const element = h(
    "div",
    { class: "source", tabindex: "0", role: "region", "aria-label": "Source" },
    rows,
  );
  const goTo = (line) => {
    const target = rows[Math.min(line, rows.length) - 1];
    target?.scrollIntoView({ block: "center" });
    target?.classList.add("is-target");
  };
  return { element, goTo };
}

function row(number, text, problems) {
  const content = h(
    "div",
    { class: "source-text" },
    colour(visible(text)),
    problems.map((problem) => h("p", { class: "source-problem" }, visible(problem.message))),
  );
  return h(
    "div",
    { class: problems.length ? "source-line is-wrong" : "source-line" },
    h("span", { class: "source-number" }, String(number)),
    content,
  );
}

/** Just enough colour to find one's way in YAML: keys and comments. */
function colour(text) {
  const comment = /^\s*#.*$/.exec(text);
  if (comment) return h("span", { class: "yaml-comment" }, text);
  const key = /^(\s*(?:- )*)([\w./-]+:)(?=\s|$)(.*)$/.exec(text);
  return key ? [key[1], h("span", { class: "yaml-key" }, key[2]), key[3]] : text || " ";
}
