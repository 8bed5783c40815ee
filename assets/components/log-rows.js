// One row of a log as elements: number, time, and the text in its colours. Text nodes only,
// whatever it says.

import { PLAIN } from "../lib/ansi.js";
import { h } from "../lib/dom.js";
import { clockTime } from "../lib/times.js";
import { visible } from "../lib/visible.js";
import { icon } from "./icons.js";
import { stateDot } from "./states.js";
import { number, t } from "../lib/language.js";

const STDERR = 2;

/**
 * Draw a piece of a line, or a heading, as lib/rows.js gives it. `look`: { choice, expression,
 * isTimed, parts }.
 */
export function drawRow(piece, look) {
  const { line, index } = piece;
  if (piece.heading) return headingRow(piece.heading, "is-command", index, look.parts);
  if (line.kind === "phase")
    return headingRow(look.parts.phaseHeading(line), "is-phase", index, look.parts);
  const isSelected = look.choice.has(line.number);
  return h(
    "div",
    {
      class: ["log-row", line.stream === STDERR && "is-stderr", isSelected && "is-selected"]
        .filter(Boolean)
        .join(" "),
      dataset: { index },
    },
    h(
      "span",
      { class: "log-number", title: line.stream === STDERR ? "stderr" : null },
      piece.isFirst && line.number ? String(line.number) : "",
    ),
    look.isTimed && h("span", { class: "log-time" }, piece.isFirst ? clockTime(line.at) : ""),
    piece.hidden > 0
      ? more(piece.hidden)
      : h("span", { class: "log-text" }, pieces(line, piece.start, piece.end, look.expression)),
  );
}

/** A heading folds what stands below it. */
function headingRow(heading, kind, index, parts) {
  const isShut = parts.isShut(heading);
  return h(
    "div",
    {
      class: `log-row ${kind} ${isShut || kind === "is-phase" ? "is-tall" : ""}`,
      dataset: { index },
    },
    h("span", { class: "log-number" }),
    h(
      "button",
      {
        type: "button",
        class: "log-fold",
        "aria-expanded": String(!isShut),
        dataset: { fold: heading.key },
      },
      icon(isShut ? "closed" : "down"),
      heading.state && heading.state !== "succeeded" && stateDot(heading.state),
      h("span", {}, visible(heading.title)),
    ),
  );
}

function more(hidden) {
  return h(
    "button",
    { type: "button", class: "log-more" },
    t`${number(hidden)} more characters: show`,
  );
}

/**
 * The text from `start` to `end`, cut where its style changes and where a match of the search
 * begins or ends.
 */
function pieces(line, start, end, expression) {
  const text = line.text.slice(start, end);
  const runs = stylesWithin(line.runs, start, end);
  const matches = matchesIn(text, expression);
  const made = [];
  for (const [from, to, style] of runs) {
    let at = from - start;
    for (const [first, last] of matches) {
      const cut = [Math.max(first, at), Math.min(last, to - start)];
      if (cut[0] >= cut[1]) continue;
      made.push(
        styled(text.slice(at, cut[0]), style),
        h("mark", {}, styled(text.slice(...cut), style)),
      );
      at = cut[1];
    }
    made.push(styled(text.slice(at, to - start), style));
  }
  return made;
}

function matchesIn(text, expression) {
  if (!expression) return [];
  expression.lastIndex = 0; // matchAll begins there
  return [...text.matchAll(expression)].map((match) => [
    match.index,
    match.index + match[0].length,
  ]);
}

function stylesWithin(runs, start, end) {
  if (!runs) return [[start, end, PLAIN]];
  const found = [];
  for (let i = firstRun(runs, start); i < runs.length && runs[i] < end; i += 2) {
    found.push([Math.max(runs[i], start), Math.min(runs[i + 2] ?? end, end), runs[i + 1]]);
  }
  return found;
}

/** The place in `runs` of the one that reaches into `start`. */
function firstRun(runs, start) {
  let low = 0;
  let high = runs.length / 2 - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (runs[middle * 2] <= start) low = middle;
    else high = middle - 1;
  }
  return low * 2;
}

function styled(text, style) {
  if (!text || style === PLAIN) return text;
  const names = ["bold", "dim", "italic", "underline", "strike"]
    .filter((name) => style[name])
    .map((name) => `ansi-${name}`);
  const [fg, bg] = style.inverse ? [style.bg ?? "back", style.fg ?? "fore"] : [style.fg, style.bg];
  const colours = {};
  const shownFg = isNamed(bg) ? readableOn(bg, fg) : fg;
  if (isNamed(shownFg)) names.push(`ansi-fg-${shownFg}`);
  else if (shownFg) colours.color = shownFg;
  if (isNamed(bg)) names.push(`ansi-bg-${bg}`);
  else if (bg) colours["background-color"] = bg;
  return h("span", { class: names.join(" ") || null, style: colours }, text);
}

/** Grey for black is right on a dark ground only, and light text on a light one is none. */
function readableOn(bg, fg) {
  const isLight = bg === 7 || bg === 15 || bg === "fore";
  return fg === 0 || (fg === null && isLight) ? "back" : fg;
}

function isNamed(colour) {
  return typeof colour === "number" || colour === "back" || colour === "fore";
}
