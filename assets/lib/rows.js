// Which rows a log's lines take up, and the headings between them. A row has a fixed height, so
// that drawing any place of a long log costs the same.

const SHOWN_CHARACTERS = 2_000;
const MAX_ROWS = 1_500_000; // taller than that, browsers get scrolling wrong
const ASCII = /^[\x20-\x7e]*$/;
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const ZERO_WIDTH = /[\p{Mn}\p{Me}\u200d\ufe0f]/u;
const TAB = 8;
const TALL = 2; // rows

/**
 * Maps rows to pieces of lines and back; `columns` is how many characters fit beside each other.
 */
export class Rows {
  #buffer;
  #parts;
  #ends = [];
  #breaks = new WeakMap();
  #expanded = new WeakSet();
  #isWrapped = true;
  #columns = 80;

  /** `parts` says which lines are hidden, and which have a heading above them. */
  constructor(buffer, parts) {
    this.#buffer = buffer;
    this.#parts = parts;
  }

  /** Lay the rows out anew. */
  layOut({ isWrapped, columns }) {
    if (isWrapped === this.#isWrapped && columns === this.#columns) return;
    this.#isWrapped = isWrapped;
    this.#columns = Math.max(20, columns);
    this.#breaks = new WeakMap();
    this.changed(0);
  }

  /** Say that the lines from this index on are new or different. */
  changed(index) {
    if (index < this.#ends.length) this.#ends.length = index;
  }

  /**
   * Say how many lines have come before the first one, one time after the other; negative: gone.
   * What is known of the others stays, unless any went after some had come.
   */
  shift(times) {
    if (times.slice(0, -1).some((by) => by > 0)) this.changed(0);
    for (const by of times) {
      if (by > 0) this.#come(by);
      else this.#go(-by);
    }
  }

  #come(count) {
    const known = this.#ends;
    this.#ends = [];
    this.#measureUpTo(known.length ? count : 0);
    const rows = this.#ends.at(-1) ?? 0;
    for (const end of known) this.#ends.push(end + rows);
    this.#measureAnew(count);
  }

  #go(count) {
    const rows = this.#ends[count - 1] ?? 0;
    this.#ends = this.#ends.slice(count).map((end) => end - rows);
    this.#measureAnew(0);
  }

  /** The line at an index has another one before it, so it may have a heading now, or none. */
  #measureAnew(index) {
    if (index >= this.#ends.length) return;
    const before = this.#ends[index - 1] ?? 0;
    const more = before + this.#rowsAt(index) - this.#ends[index];
    if (!more) return;
    for (let i = index; i < this.#ends.length; i++) this.#ends[i] += more;
  }

  /** Show all of a long line. */
  expand(index) {
    this.#expanded.add(this.#buffer.lines[index]);
    this.changed(index);
  }

  /** How many rows there are. */
  get count() {
    this.#measure();
    return this.#ends.at(-1) ?? 0;
  }

  /**
   * What stands in a row: { index, line, start, end, isFirst } for a piece of a line, with `hidden`
   * characters instead for the row that says how much of a long line is not shown, or `heading` for
   * what stands above the line. `isRest`: the row belongs to the one before it, which is tall.
   */
  at(row) {
    let low = 0;
    let high = this.#ends.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#ends[middle] <= row) low = middle + 1;
      else high = middle;
    }
    const line = this.#buffer.lines[low];
    const heading = this.#headingAbove(low);
    const first = this.#ends[low - 1] ?? 0;
    const piece = row - first - this.#heightOf(heading);
    const isRest = row > first && (piece < 0 || line.kind === "phase");
    if (piece < 0 || isRest)
      return { index: low, line, start: 0, end: 0, hidden: 0, heading, isRest };
    const shown = this.#shown(line);
    const breaks = this.#pieces(line, shown);
    if (piece >= breaks.count)
      return { index: low, line, start: shown, end: shown, hidden: line.text.length - shown };
    return {
      index: low,
      line,
      start: breaks.start(piece),
      end: breaks.start(piece + 1),
      isFirst: piece === 0,
      hidden: 0,
    };
  }

  /**
   * The row that shows a character of a line; a long line is expanded if the character is beyond
   * what is shown.
   */
  rowOf(index, character = 0) {
    const line = this.#buffer.lines[index];
    if (character >= this.#shown(line) && line.text.length > this.#shown(line)) this.expand(index);
    this.#measure();
    const breaks = this.#pieces(line, this.#shown(line));
    let piece = 0;
    while (piece + 1 < breaks.count && breaks.start(piece + 1) <= character) piece++;
    return (this.#ends[index - 1] ?? 0) + this.#heightOf(this.#headingAbove(index)) + piece;
  }

  /** The row of a line, or of the heading above it. */
  firstRowOf(index) {
    this.#measure();
    return this.#ends[index - 1] ?? 0;
  }

  #measure() {
    this.#measureUpTo(this.#buffer.lines.length);
    if (this.#isWrapped && this.#ends.at(-1) > MAX_ROWS) {
      this.layOut({ isWrapped: false, columns: this.#columns });
      this.#measure();
    }
  }

  #measureUpTo(count) {
    for (let i = this.#ends.length; i < count; i++)
      this.#ends.push((this.#ends[i - 1] ?? 0) + this.#rowsAt(i));
  }

  #rowsAt(index) {
    const line = this.#buffer.lines[index];
    const rows = this.#parts.isHidden(line) ? 0 : this.#rowsOf(line);
    return rows + this.#heightOf(this.#headingAbove(index));
  }

  #headingAbove(index) {
    const { lines } = this.#buffer;
    return this.#parts.headingAbove(lines[index], lines[index - 1]);
  }

  /** One that is folded is tall, so that a finger does not meet the next one instead. */
  #heightOf(heading) {
    if (!heading) return 0;
    return this.#parts.isShut(heading) ? TALL : 1;
  }

  #rowsOf(line) {
    if (line.kind === "phase") return TALL;
    const shown = this.#shown(line);
    return this.#pieces(line, shown).count + (shown < line.text.length ? 1 : 0);
  }

  #shown(line) {
    return this.#expanded.has(line)
      ? line.text.length
      : Math.min(line.text.length, SHOWN_CHARACTERS);
  }

  /**
   * Where the pieces of a line begin: `count` of them, `start(n)` for each and, for n = count, the
   * end.
   */
  #pieces(line, shown) {
    const isSplit = this.#isWrapped || this.#expanded.has(line);
    if (!isSplit || shown <= this.#columns / TAB)
      return { count: 1, start: (n) => (n ? shown : 0) };
    const breaks = this.#breaksOf(line, shown);
    if (breaks) return { count: breaks.length, start: (n) => breaks[n] ?? shown };
    const columns = this.#columns;
    return { count: Math.ceil(shown / columns), start: (n) => Math.min(n * columns, shown) };
  }

  /** Null where every character is one column wide, which is nearly always. */
  #breaksOf(line, shown) {
    const known = this.#breaks.get(line);
    if (known?.version === line.version && known.shown === shown) return known.breaks;
    const text = line.text.slice(0, shown);
    const breaks = ASCII.test(text) ? null : wrap(text, this.#columns);
    this.#breaks.set(line, { version: line.version, shown, breaks });
    return breaks;
  }
}

/** Where the rows of a text begin that has tabs, wide characters or such without a width. */
export function wrap(text, columns) {
  const starts = [0];
  let column = 0;
  let at = 0;
  for (const character of text) {
    const width = widthOf(character, column);
    if (column + width > columns && at > starts.at(-1)) {
      starts.push(at);
      column = 0;
    }
    column += character === "\t" && column === 0 ? TAB : width;
    at += character.length;
  }
  return starts;
}

function widthOf(character, column) {
  if (character === "\t") return TAB - (column % TAB);
  if (character < "\u0300") return 1;
  if (ZERO_WIDTH.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}
