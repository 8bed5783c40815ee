// A log's bytes as lines. Each stream of each phase is read for itself, so that a colour or half a
// character of one never leaks into another.

import { LogChannel } from "./log-channel.js";

const LIMITS = { lines: 50_000, characters: 150_000_000, lineCharacters: 16_000_000 };

/**
 * The lines of a log, oldest first.
 *
 * A line is { text, runs, stream, phase, at, offset, number, version }: `runs` is null or flat
 * pairs of a start and the style from there on, `offset` the log's byte at which it begins,
 * `version` grows when the text changes. A phase's first output has a line of `kind` "phase" before
 * it. Beyond the limits the oldest lines are dropped. It may begin in the middle of a log: behind
 * `linesBefore` lines, of which those of the channels `open` go on and are passed over.
 */
export class LineBuffer {
  lines = [];
  /** Lines dropped from the beginning so far, less those put before it. */
  dropped = 0;
  /** The lowest index that changed since the last `takeChanged`. */
  #changedFrom = Infinity;
  /** How many lines came before the first one since the last `takeShifts`; negative: went. */
  #shifts = [];
  #channels = new Map();
  #characters = 0;
  #newestPhase = -1;
  #count = 0;
  #limits;

  constructor(limits = {}, { linesBefore = 0, open = [] } = {}) {
    this.#limits = { ...LIMITS, ...limits };
    this.#count = linesBefore;
    for (const { phase, stream } of open) this.#channel(phase, stream).passOverLine();
  }

  /** The number of the first line here, or of the next to come if there is none. */
  get firstNumber() {
    return this.lines.find(({ number }) => number)?.number ?? this.#count + 1;
  }

  /** The number of the last line here. */
  get lastNumber() {
    return this.#count;
  }

  get isFull() {
    return this.lines.length > this.#limits.lines || this.#characters > this.#limits.characters;
  }

  get isNearlyFull() {
    return this.lines.length > 0.9 * this.#limits.lines;
  }

  /** Put the lines of the next part of the log behind those here. */
  extend(later) {
    const isSamePhase =
      later.lines[0]?.kind === "phase" && later.lines[0].phase <= this.#newestPhase;
    for (const line of later.lines.slice(isSamePhase ? 1 : 0)) this.#adopt(line);
  }

  /** Put the lines of an earlier part of the log before those here. */
  prepend(earlier) {
    const { lines } = earlier;
    if (!lines.length) return;
    if (this.lines[0]?.kind === "phase" && this.lines[0].phase <= lines.at(-1).phase) {
      this.lines.shift(); // its output begins further up
      this.dropped++;
      this.#shift(-1);
    }
    this.dropped -= lines.length;
    lines.forEach((line, i) => (line.index = this.dropped + i));
    this.lines = lines.concat(this.lines);
    this.#characters += earlier.#characters;
    this.#shift(lines.length);
  }

  /** A part of it that no output goes to: so many lines on both sides of the one at `index`. */
  copyAround(index, count) {
    const first = Math.max(0, index - count);
    const copy = new LineBuffer(this.#limits);
    for (const line of this.lines.slice(first, index + count)) copy.#adopt({ ...line });
    return copy;
  }

  /** Drop lines from the end, until so many are left. */
  cutEnd(count) {
    for (const line of this.lines.splice(count)) this.#characters -= line.text.length;
    this.#count = this.lines.findLast(({ number }) => number)?.number ?? 0;
    this.#newestPhase = this.lines.at(-1)?.phase ?? -1;
    this.#changedFrom = Math.min(this.#changedFrom, count);
  }

  /** Drop lines from the beginning, so many or all. */
  cutStart(count) {
    const gone = this.lines.splice(0, count);
    for (const line of gone) this.#characters -= line.text.length;
    this.dropped += gone.length;
    this.#shift(-gone.length);
  }

  #shift(by) {
    this.#shifts.push(by);
    this.#changedFrom = Math.max(0, this.#changedFrom + by);
  }

  #adopt(line) {
    this.#push(line);
    this.#characters += line.text.length;
    this.#count = line.number || this.#count;
    this.#newestPhase = Math.max(this.#newestPhase, line.phase);
  }

  /**
   * Take the next piece of output: `at` is in Unix milliseconds, `bytes` a Uint8Array. `number` is
   * that of the line that begins with it, where lines between are left out.
   */
  append({ offset, phase, stream, at, bytes, number }) {
    if (number) this.#count = number - 1;
    if (phase > this.#newestPhase) {
      this.#newestPhase = phase;
      this.#push({
        kind: "phase",
        text: "",
        runs: null,
        stream: 0,
        phase,
        at,
        offset,
        number: 0,
        version: 0,
      });
    }
    this.#channel(phase, stream).append(offset, at, bytes);
    this.#forgetOldest();
  }

  /** Say that nothing more comes: show what was half a character. */
  finish() {
    for (const channel of this.#channels.values()) channel.finish();
  }

  /** How many lines have come before the first one since the last call, in order; negative: went. */
  takeShifts() {
    return this.#shifts.splice(0);
  }

  /**
   * The lowest index of a line that is new or has changed since the last call; Infinity if none
   * has. Those that came or went before the first one do not count.
   */
  takeChanged() {
    const from = this.#changedFrom;
    this.#changedFrom = Infinity;
    return from;
  }

  /**
   * The index of the line in which the output at this byte of the log begins; -1 if there is none
   * yet.
   */
  indexAtOffset(offset) {
    let low = 0;
    let high = this.lines.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.lines[middle].offset < offset) low = middle + 1;
      else high = middle;
    }
    return this.lines[low]?.offset === offset ? low : low - 1;
  }

  /** The index of the line with this number, or of the nearest. */
  indexOfNumber(number) {
    let low = 0;
    let high = this.lines.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#numberUpTo(middle) < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** A phase's heading and the rest of a long line have no number: they count as the line before. */
  #numberUpTo(index) {
    let at = index;
    while (at >= 0 && !this.lines[at].number) at--;
    return this.lines[at]?.number ?? 0;
  }

  #channel(phase, stream) {
    const key = phase * 4 + stream;
    if (!this.#channels.has(key))
      this.#channels.set(key, new LogChannel(this, phase, stream, this.#limits));
    return this.#channels.get(key);
  }

  /** For channels only: begin a line. */
  begin(line) {
    line.number = ++this.#count;
    return this.#push(line);
  }

  /** For channels only: begin a piece of a line that is too long for one. */
  goOn(line) {
    return this.#push({ ...line, text: "", runs: null, number: 0, version: 0 });
  }

  /** For channels only: say that a line of theirs has `characters` more now. */
  touch(line, characters) {
    line.version++;
    this.#characters += characters;
    this.#changedFrom = Math.min(this.#changedFrom, Math.max(0, line.index - this.dropped));
  }

  #push(line) {
    line.index = this.dropped + this.lines.length;
    this.#changedFrom = Math.min(this.#changedFrom, this.lines.length);
    this.lines.push(line);
    return line;
  }

  #forgetOldest() {
    if (this.isFull) this.cutStart(Math.ceil(this.lines.length / 10));
  }
}
