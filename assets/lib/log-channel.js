// What one stream of one phase prints, as lines: colours, and what a `\r` or an erasing code takes back.

import { AnsiParser, PLAIN } from "./ansi.js";

const LINE_FEED = 10;
const MAX_OVERWRITTEN = 4_096; // a `\r` in a longer line begins a new one: overwriting costs as much as the line is long

/** One stream of one phase, whose lines stand in a `LineBuffer` among those of the others. */
export class LogChannel {
  #buffer;
  #phase;
  #stream;
  #limits;
  #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #parser = new AnsiParser(this);
  #line = null;
  #column = 0;
  #isPassing = false;
  /** Where in the log the lines of the piece at hand begin. */
  #starts = [];
  #next = 0;
  #at = 0;

  constructor(buffer, phase, stream, limits) {
    this.#buffer = buffer;
    this.#phase = phase;
    this.#stream = stream;
    this.#limits = limits;
  }

  /** Show nothing up to the next line feed: it belongs to a line that began before. */
  passOverLine() {
    this.#isPassing = true;
  }

  append(offset, at, bytes) {
    if (this.#isPassing) {
      const next = bytes.indexOf(LINE_FEED) + 1;
      this.#isPassing = !next;
      if (next && next < bytes.length) this.append(offset + next, at, bytes.subarray(next));
      return;
    }
    this.#at = at;
    this.#starts = [offset];
    this.#next = 0;
    for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, end + 1)) {
      this.#starts.push(offset + end + 1);
    }
    this.#parser.feed(this.#decoder.decode(bytes, { stream: true }));
    // A line begins with its first byte, though that may not show: the server numbers lines so.
    if (!this.#line && bytes.length && bytes.at(-1) !== LINE_FEED) this.#line = this.#begin();
  }

  finish() {
    const rest = this.#decoder.decode();
    if (rest) this.#parser.feed(rest);
  }

  // What the parser says

  write(text, style) {
    if (this.#column === 0 && this.#isTooLongToOverwrite()) this.#goOn();
    const line = (this.#line ??= this.#begin());
    const before = line.text.length;
    if (this.#column >= before) this.#appendText(line, text, style);
    else overwrite(line, this.#column, text, style);
    this.#column += text.length;
    this.#buffer.touch(line, line.text.length - before);
    if (line.text.length > this.#limits.lineCharacters) this.#goOn();
  }

  newLine() {
    if (!this.#line) this.#begin();
    this.#end();
    this.#next++;
  }

  moveTo(column) {
    this.#column = Math.min(column, this.#line?.text.length ?? 0);
  }

  moveBack(columns) {
    this.#column = Math.max(0, this.#column - columns);
  }

  erase(what) {
    const line = this.#line;
    if (!line || this.#isTooLongToOverwrite()) return;
    const before = line.text.length;
    if (what !== "left") cut(line, what === "line" ? 0 : this.#column);
    else overwrite(line, 0, " ".repeat(this.#column), PLAIN);
    this.#column = Math.min(this.#column, line.text.length);
    this.#buffer.touch(line, line.text.length - before);
  }

  /** Go on with the same line of the log in another one here, which has no number. */
  #goOn() {
    this.#column = 0;
    this.#line = this.#buffer.goOn(this.#line);
  }

  #begin() {
    return this.#buffer.begin({
      kind: "text",
      text: "",
      runs: null,
      stream: this.#stream,
      phase: this.#phase,
      at: this.#at,
      offset: this.#starts[Math.min(this.#next, this.#starts.length - 1)],
      version: 0,
    });
  }

  #end() {
    this.#line = null;
    this.#column = 0;
  }

  #isTooLongToOverwrite() {
    return this.#line !== null && this.#line.text.length > MAX_OVERWRITTEN;
  }

  #appendText(line, text, style) {
    const last = line.runs ? line.runs[line.runs.length - 1] : PLAIN;
    if (style !== last) (line.runs ??= [0, PLAIN]).push(line.text.length, style);
    line.text += text;
  }
}

/** The style at a place of a line. */
function styleAt(line, column) {
  let style = PLAIN;
  const runs = line.runs ?? [];
  for (let i = 0; i < runs.length && runs[i] <= column; i += 2) style = runs[i + 1];
  return style;
}

function overwrite(line, column, text, style) {
  const end = column + text.length;
  const after = styleAt(line, end);
  if (line.runs || style !== PLAIN) {
    const runs = line.runs ?? [0, PLAIN];
    const kept = [];
    const later = [];
    for (let i = 0; i < runs.length; i += 2) {
      if (runs[i] < column) kept.push(runs[i], runs[i + 1]);
      else if (runs[i] > end) later.push(runs[i], runs[i + 1]);
    }
    kept.push(column, style);
    if (end < line.text.length) kept.push(end, after);
    line.runs = [...kept, ...later];
  }
  line.text = line.text.slice(0, column) + text + line.text.slice(end);
}

function cut(line, column) {
  line.text = line.text.slice(0, column);
  const runs = line.runs ?? [];
  let keep = 0;
  while (keep < runs.length && runs[keep] < column) keep += 2;
  line.runs = keep ? runs.slice(0, keep) : null;
}
