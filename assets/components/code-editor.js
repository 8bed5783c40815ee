// An editor of a template: a text field with line numbers, colours beneath what is typed, mistakes
// at their lines, and fields that are offered.
//
// It stays a text field: what is typed, selected, undone and read out is the browser's own. Tab
// indents; after Esc it leaves the field, as it does everywhere.

import { h } from "../lib/dom.js";
import { typeInto } from "../lib/typing.js";
import { placeAt } from "../lib/yaml-place.js";
import { colouredLine, START } from "../lib/yaml-colours.js";
import { visible } from "../lib/visible.js";
import { codeOffers } from "./code-offers.js";
import { t } from "../lib/language.js";

const INDENT = "  ";

/**
 * An editor called `label`. `offersAt(place)` gives what may be typed at a place (see
 * lib/yaml-place.js). Gives { element, text, fill(content), mark(problems), goTo(line) }; `text` is
 * the field.
 */
export function codeEditor({ label, offersAt }) {
  const numbers = h("div", { class: "editor-numbers", "aria-hidden": "true" });
  const colours = h("div", { class: "editor-colours", "aria-hidden": "true" });
  const help = h(
    "p",
    { class: "help", id: "editor-help" },
    t`Tab indents, Ctrl+Space offers what may stand there, F8 goes to the next mistake. Esc, then Tab leaves the text.`,
  );
  const text = h("textarea", {
    class: "editor-text",
    "aria-label": label,
    "aria-describedby": "editor-help",
    spellcheck: "false",
    autocapitalize: "off",
    autocomplete: "off",
    wrap: "off",
  });
  const pane = h("div", { class: "editor-pane" }, colours, text);
  const element = h("div", { class: "editor" }, numbers, pane);
  const layer = colourLayer(colours);
  let wrong = new Map();
  let numbered = null; // the mistakes that the numbers show
  const draw = () => {
    const lines = text.value.split("\n");
    text.rows = lines.length + 1;
    layer.draw(lines, wrong);
    if (numbered !== wrong || numbers.children.length !== lines.length)
      drawNumbers(numbers, lines.length, wrong);
    numbered = wrong;
  };
  const goTo = (line) => {
    const lines = text.value.split("\n");
    const from = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
    text.focus();
    text.setSelectionRange(from, from + (lines[line - 1]?.length ?? 0));
    numbers.children[line - 1]?.scrollIntoView({ block: "center" });
  };
  const offered = codeOffers({ text, pane, placeOf, offersAt });
  text.addEventListener("input", draw);
  text.addEventListener(
    "keydown",
    keys({ text, offered, next: () => nextMistake(text, wrong, goTo) }),
  );
  return {
    element: [element, help],
    text,
    goTo,
    fill: (content) => ((text.value = content), draw()),
    mark: (problems) => ((wrong = byLine(problems, text.value.split("\n").length)), draw()),
  };
}

function placeOf(text) {
  const before = text.value.slice(0, text.selectionStart).split("\n");
  const row = before.length - 1;
  const column = before[row].length;
  return { row, column, place: placeAt(text.value.split("\n"), row, column) };
}

/** What is wrong with each line; what is missing at the end is said of the last of `count`. */
function byLine(problems, count) {
  const found = new Map();
  for (const problem of problems.filter((each) => each.line)) {
    const shown = Math.min(problem.line, count);
    const text = remarkOf(problem);
    found.set(shown, found.has(shown) ? `${found.get(shown)}; ${text}` : text);
  }
  return found;
}

/** What is said at the line; what is missing does not stand there, so it is named. */
function remarkOf({ path = "", message }) {
  return message === t`is missing` ? `\`${path.split(".").at(-1)}\` ${message}` : message;
}

/** Lines in their colours; those that are as they were are not made anew. */
function colourLayer(layer) {
  let drawn = []; // of each line its text, remark, state before and after it, and element
  const draw = (lines, wrong) => {
    let state = START;
    const kept = new Map();
    for (const each of drawn) {
      if (!kept.has(each.key)) kept.set(each.key, []);
      kept.get(each.key).push(each);
    }
    drawn = lines.map((line, i) => {
      const key = `${state}\n${line}\n${wrong.get(i + 1) ?? ""}`;
      const made = kept.get(key)?.shift() ?? { key, ...lineView(line, state, wrong.get(i + 1)) };
      state = made.state;
      return made;
    });
    drawn.forEach(({ element }, i) => {
      if (layer.children[i] !== element) layer.insertBefore(element, layer.children[i] ?? null);
    });
    while (layer.children.length > drawn.length) layer.lastChild.remove();
  };
  return { draw };
}

function lineView(line, before, remark) {
  const { parts, state } = colouredLine(line, before);
  const shown = parts.map(([kind, part]) =>
    kind ? h("span", { class: `code-${kind}` }, part) : part,
  );
  const said = remark && h("span", { class: "editor-remark" }, visible(remark));
  const look = remark ? "editor-line is-wrong" : "editor-line";
  return { state, element: h("div", { class: look }, shown, "\u200b", said) };
}

function drawNumbers(numbers, count, wrong) {
  while (numbers.children.length > count) numbers.lastChild.remove();
  while (numbers.children.length < count)
    numbers.append(h("div", {}, String(numbers.children.length + 1)));
  for (const [i, element] of [...numbers.children].entries()) {
    element.classList.toggle("is-wrong", wrong.has(i + 1));
    if (wrong.has(i + 1)) element.title = wrong.get(i + 1);
    else element.removeAttribute("title");
  }
}

/** What keys do beyond what they do in every text field. */
function keys({ text, offered, next }) {
  let isLeaving = false; // Esc was the last key
  return (event) => {
    const wasLeaving = isLeaving;
    isLeaving = event.key === "Escape" || (isLeaving && event.key === "Shift");
    if (offered.key(event)) {
      isLeaving = false;
    } else if (event.key === "Tab" && !wasLeaving) {
      event.preventDefault();
      indent(text, event.shiftKey);
    } else if (event.key === "Enter" && !event.isComposing && !event.ctrlKey) {
      event.preventDefault();
      typeInto(text, `\n${nextIndent(text)}`);
    } else if (event.key === "F8") {
      event.preventDefault();
      next();
    } else if (event.key === " " && event.ctrlKey) {
      event.preventDefault();
      offered.open();
    }
  };
}

function indent(text, isBack) {
  const { value, selectionStart: from, selectionEnd: to } = text;
  if (from === to && !isBack) return typeInto(text, INDENT);
  const start = value.lastIndexOf("\n", from - 1) + 1;
  const end = value.indexOf("\n", to) < 0 ? value.length : value.indexOf("\n", to);
  const lines = value.slice(start, end).split("\n");
  const moved = lines.map((line) => (isBack ? line.replace(/^ {1,2}/, "") : INDENT + line));
  text.setSelectionRange(start, end);
  typeInto(text, moved.join("\n"));
  return text.setSelectionRange(start, start + moved.join("\n").length);
}

/** How far the line behind this one begins: as far as it, or deeper behind a colon. */
function nextIndent(text) {
  const line = text.value.slice(0, text.selectionStart).split("\n").at(-1);
  const [, space, dashes, rest] = /^(\s*)((?:- +)*)(.*)$/.exec(line);
  const isMapping = /^[\w./-]+:(?:\s|$)/.test(rest);
  const own = space + (isMapping ? " ".repeat(dashes.length) : "");
  return /:\s*[|>]?[-+]?$/.test(rest) || /^[|>][-+]?$/.test(rest) ? own + INDENT : own;
}

function nextMistake(text, wrong, goTo) {
  const row = text.value.slice(0, text.selectionStart).split("\n").length;
  const lines = [...wrong.keys()].toSorted((a, b) => a - b);
  const line = lines.find((each) => each > row) ?? lines[0];
  if (line) goTo(line);
}
