// What stands inside the lines of Markdown: emphasis, code, links. Made into nodes; what is not
// known, or never closed, stays the text that it is.

import { h, outsideLink } from "./dom.js";
import { visible } from "./visible.js";

// Each part is bounded or begins with a character of its own, so that no text takes long.
const TOKEN = new RegExp(
  [
    /\\(?<escaped>[!-/:-@[-`{-~])/,
    /(?<ticks>`+)/,
    /(?<mark>\*\*|__|~~|\*|_)/,
    /(?<image>!?)\[(?<label>[^[\]\n]{1,300})\]\((?<target>https?:\/\/[^\s()<>]{1,2000})\)/,
    /<(?<wrapped>https?:\/\/[^\s<>]{1,2000})>/,
    /(?<bare>https?:\/\/[^\s<>"'`()[\]*|\\]{1,2000}(?<![.,;:!?]))/,
    /(?<lineEnd>(?: {2}|\\)\n)/,
  ]
    .map((part) => part.source)
    .join("|"),
  "g",
);
const TAGS = { "**": "strong", __: "strong", "*": "em", _: "em", "~~": "s" };
const WORD = /[\p{L}\p{N}]/u;

/** The nodes of a text of one or more lines. */
export function inlineNodes(text) {
  const open = new OpenDelimiters();
  const codeEnds = new CodeEnds(text);
  let at = 0;
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match; match = TOKEN.exec(text)) {
    const found = match.groups.ticks
      ? readCode(text, match, codeEnds)
      : match.groups.mark
        ? readMark(text, match, open)
        : readLeaf(match);
    if (!found) continue; // it is text, which the next one takes along
    open.add(visible(text.slice(at, match.index)));
    found.add(open);
    at = found.end;
    TOKEN.lastIndex = at;
  }
  open.add(visible(text.slice(at)));
  return open.finish();
}

function readLeaf({ 0: token, index, groups }) {
  if (groups.image) return null;
  const node =
    groups.escaped ??
    (groups.lineEnd
      ? h("br", {})
      : linkTo(groups.target ?? groups.wrapped ?? groups.bare, groups.label));
  return { add: (open) => open.add(node), end: index + token.length };
}

/** Where words say something else than where a link leads, that is said beside them. */
function linkTo(target, label = target) {
  const link = outsideLink(target, visible(label));
  if (!link) return visible(label);
  if (label === target) return link;
  const host = visible(new URL(target).host);
  return h("span", {}, link, h("small", { class: "muted" }, ` (${host})`));
}

function readMark(text, { 0: mark, index }, open) {
  const before = text[index - 1] ?? " ";
  const after = text[index + mark.length] ?? " ";
  if (mark[0] === "_" && WORD.test(before) && WORD.test(after)) return null; // snake_case
  const end = index + mark.length;
  if (open.has(mark)) return before.trim() ? { add: () => open.close(mark), end } : null;
  return after.trim() ? { add: () => open.begin(mark), end } : null;
}

function readCode(text, { 0: ticks, index }, codeEnds) {
  const close = codeEnds.after(index, ticks.length);
  if (close === undefined) return null;
  const inside = text.slice(index + ticks.length, close).replaceAll("\n", " ");
  const trimmed = inside.trim() ? inside.replace(/^ (.*) $/, "$1") : inside;
  const node = h("code", {}, visible(trimmed));
  return { add: (open) => open.add(node), end: close + ticks.length };
}

/** Where the runs of backticks are that can end a piece of code. Asked with rising places. */
class CodeEnds {
  #runs = new Map();

  constructor(text) {
    for (const { 0: ticks, index } of text.matchAll(/`+/g)) {
      if (!this.#runs.has(ticks.length)) this.#runs.set(ticks.length, { at: 0, places: [] });
      this.#runs.get(ticks.length).places.push(index);
    }
  }

  /**
   * The place of the next run of so many behind a place, undefined if there is none: also for what
   * is left of a run whose first one is escaped.
   */
  after(place, length) {
    const run = this.#runs.get(length);
    while (run?.places[run.at] <= place) run.at += 1;
    return run?.places[run.at];
  }
}

/** What is open at a place of the text; each mark at most once, so never deep. */
class OpenDelimiters {
  #stack = [{ mark: "", nodes: [] }];

  add(node) {
    if (node !== "") this.#stack.at(-1).nodes.push(node);
  }

  has(mark) {
    return this.#stack.some((each) => each.mark === mark);
  }

  begin(mark) {
    this.#stack.push({ mark, nodes: [] });
  }

  /** Close a mark; those inside it that are not closed become text. */
  close(mark) {
    while (this.#stack.at(-1).mark !== mark) this.#giveUp();
    const { nodes } = this.#stack.pop();
    this.add(nodes.length ? h(TAGS[mark], {}, nodes) : mark + mark);
  }

  finish() {
    while (this.#stack.length > 1) this.#giveUp();
    return this.#stack[0].nodes;
  }

  #giveUp() {
    const { mark, nodes } = this.#stack.pop();
    this.add(mark);
    for (const node of nodes) this.add(node);
  }
}
