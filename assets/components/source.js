// A document with line numbers, and problems beside the lines they are about.

import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { said } from "../lib/server-texts.js";
import { visible } from "../lib/visible.js";
import { colouredLine, START } from "../lib/yaml-colours.js";

/** The text with its line numbers; `problems` {line, message} stand under their lines. */
export function sourceView(text, problems = []) {
  const byLine = Map.groupBy(
    problems.filter((problem) => problem.line),
    (problem) => problem.line,
  );
  let state = START;
  const rows = text
    .replace(/\n$/, "")
    .split("\n")
    .map((line, i) => {
      const coloured = colouredLine(line, state);
      state = coloured.state;
      return row(i + 1, coloured.parts, byLine.get(i + 1) ?? []);
    });
  return h(
    "div",
    { class: "source", tabindex: "0", role: "region", "aria-label": t`Source` },
    rows,
  );
}

function row(number, parts, problems) {
  const content = h(
    "div",
    { class: "source-text" },
    parts.some(([, part]) => part) ? parts.map(colouredPart) : " ",
    problems.map((problem) => h("p", { class: "source-problem" }, visible(said(problem.message)))),
  );
  return h(
    "div",
    { class: problems.length ? "source-line is-wrong" : "source-line" },
    h("span", { class: "source-number" }, String(number)),
    content,
  );
}

function colouredPart([kind, part]) {
  const text = visible(part);
  return kind ? h("span", { class: `code-${kind}` }, text) : text;
}
