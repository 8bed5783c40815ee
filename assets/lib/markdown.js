// A safe subset of Markdown, made into nodes: headings, paragraphs, lists, quotes, which may be notes
// and warnings as GitHub has them (`> [!WARNING]`), code, tables and rules, with what
// lib/markdown-inline.js knows inside of them. No HTML, no images, and links to http and https
// alone; all else is shown as the text that it is.

import { h } from "./dom.js";
import { t } from "./language.js";
import { inlineNodes } from "./markdown-inline.js";
import { visible } from "./visible.js";

const FENCE = /^ {0,3}(?<fence>```+|~~~+)/;
const HEADING = /^ {0,3}(?<marks>#{1,6})[ \t]+(?<text>.*)$/;
const ITEM = /^(?<indent> {0,24})(?:[-*+]|(?<number>\d{1,9})[.)])[ \t]+(?<text>.*)$/;
const QUOTE = /^ {0,3}>/;
const ALERT = /^\[!(?<kind>NOTE|TIP|IMPORTANT|WARNING|CAUTION)\][ \t]*$/; // a quote's first line
const ALERTS = {
  NOTE: t`Note`,
  TIP: t`Tip`,
  IMPORTANT: t`Important`,
  WARNING: t`Warning`,
  CAUTION: t`Caution`,
};
const MAX_DEPTH = 4; // of quotes, and of lists in lists
const LEVEL_ABOVE = 2; // of headings: the page has these
const LAST_LEVEL = 6;

/**
 * The nodes of a document. Its headings follow on from the page's own, each at most one level below
 * the one before, whatever levels they are written with: readers by ear go from one to the next.
 */
export function markdown(text) {
  return blocks(text.replaceAll("\r\n", "\n").split("\n"), { depth: 0, open: [] });
}

/** `place` says how deep these lines stand in others, and the headings that are above them. */
function blocks(lines, place) {
  const nodes = [];
  const paragraph = [];
  let at = 0;
  const endParagraph = () => {
    if (paragraph.length) nodes.push(h("p", {}, inlineNodes(paragraph.splice(0).join("\n"))));
  };
  while (at < lines.length) {
    const found = lines[at].trim() ? readBlock(lines, at, place) : { node: "", end: at + 1 };
    if (found) {
      endParagraph();
      if (found.node) nodes.push(found.node);
      at = found.end;
    } else {
      paragraph.push(lines[at].trimStart());
      at += 1;
    }
  }
  endParagraph();
  return nodes;
}

/** The block that begins in a line and the line behind it, null if it is one of a paragraph. */
function readBlock(lines, at, place) {
  const line = lines[at];
  if (FENCE.test(line)) return readCode(lines, at);
  if (isRule(line)) return { node: h("hr", {}), end: at + 1 };
  const heading = HEADING.exec(line);
  if (heading) return { node: headingNode(heading.groups, place), end: at + 1 };
  if (isTable(lines, at)) return readTable(lines, at);
  if (place.depth >= MAX_DEPTH) return null;
  if (QUOTE.test(line)) return readQuote(lines, at, place);
  return ITEM.test(line) ? readList(lines, at, place) : null;
}

function readCode(lines, at) {
  const { fence } = FENCE.exec(lines[at]).groups;
  let end = at + 1;
  const isEnd = (line) => line.trim().startsWith(fence) && !line.trim().replaceAll(fence[0], "");
  while (end < lines.length && !isEnd(lines[end])) end += 1;
  const inside = lines.slice(at + 1, end).join("\n");
  return { node: h("pre", {}, h("code", {}, visible(inside))), end: end + 1 };
}

function isRule(line) {
  const marks = line.replaceAll(" ", "");
  return marks.length >= 3 && "-*_".includes(marks[0]) && !marks.replaceAll(marks[0], "");
}

function deeper({ depth, open }) {
  return { depth: depth + 1, open };
}

function headingNode({ marks, text }, { open }) {
  while (open.at(-1) >= marks.length) open.pop();
  open.push(marks.length);
  const words = text.trim().split(" ");
  if (words.length > 1 && !words.at(-1).replaceAll("#", "")) words.pop(); // `## So ##`
  return h(`h${Math.min(LEVEL_ABOVE + open.length, LAST_LEVEL)}`, {}, inlineNodes(words.join(" ")));
}

function readQuote(lines, at, place) {
  let end = at;
  while (end < lines.length && QUOTE.test(lines[end])) end += 1;
  const inside = lines.slice(at, end).map((line) => line.replace(/^ {0,3}> ?/, ""));
  const kind = ALERT.exec(inside[0])?.groups.kind;
  if (!kind) return { node: h("blockquote", {}, blocks(inside, deeper(place))), end };
  const title = h("strong", {}, ALERTS[kind]);
  const rest = blocks(inside.slice(1), deeper(place));
  return { node: h("blockquote", { class: `alert-${kind.toLowerCase()}` }, title, rest), end };
}

/** A list: its items begin as far to the left as the first one, what is further in is theirs. */
function readList(lines, at, place) {
  const first = ITEM.exec(lines[at]).groups;
  const items = [];
  let end = at;
  while (end < lines.length && belongs(lines, end, first)) {
    const begins = ITEM.exec(lines[end]);
    if (begins?.groups.indent.length === first.indent.length) items.push([begins.groups.text]);
    else items.at(-1).push(lines[end]);
    end += 1;
  }
  const children = items.map((item) => h("li", {}, itemNodes(item, place)));
  const isOrdered = first.number !== undefined;
  const start = isOrdered && first.number !== "1" ? first.number : null;
  return { node: h(isOrdered ? "ol" : "ul", { start }, children), end };
}

function belongs(lines, at, first) {
  const line = lines[at];
  const begins = ITEM.exec(line);
  if (begins && indentOf(line) === first.indent.length)
    return !isRule(line) && (begins.groups.number === undefined) === (first.number === undefined);
  if (line.trim()) return indentOf(line) > first.indent.length;
  return Boolean(lines[at + 1]?.trim()) && belongs(lines, at + 1, first);
}

/** An item of one line has no paragraph of its own, so that a plain list stands close. */
function itemNodes(item, place) {
  const [text, ...rest] = item;
  return [inlineNodes(text), rest.length > 0 && blocks(dedented(rest), deeper(place))];
}

function dedented(lines) {
  const first = lines.find((line) => line.trim()) ?? "";
  const width = indentOf(first);
  return lines.map((line) => line.slice(Math.min(width, indentOf(line))));
}

function indentOf(line) {
  return line.length - line.trimStart().length;
}

function isTable(lines, at) {
  const rule = lines[at + 1]?.trim() ?? "";
  const isDelimiter = rule.includes("-") && rule.includes("|") && !/[^-:| ]/.test(rule);
  return isDelimiter && lines[at].includes("|");
}

function readTable(lines, at) {
  let end = at + 2;
  while (end < lines.length && lines[end].trim() && lines[end].includes("|")) end += 1;
  const row = (line, tag) =>
    h(
      "tr",
      {},
      cells(line).map((cell) => h(tag, {}, inlineNodes(cell))),
    );
  const body = lines.slice(at + 2, end).map((line) => row(line, "td"));
  const table = h("table", {}, h("thead", {}, row(lines[at], "th")), h("tbody", {}, body));
  return { node: h("div", { class: "markdown-table", tabindex: "0" }, table), end };
}

function cells(line) {
  const inside = line.trim().replace(/^\|/, "").replace(/\|$/, "");
  return inside.split(/(?<!\\)\|/).map((cell) => cell.trim());
}
