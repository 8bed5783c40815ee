// Searching a log a slice at a time, so that typing stays smooth however long the log is.

/** Finds the lines that contain a text, whatever the case. */
export class LogSearch {
  /** Indexes of the lines that match, in order. */
  matches = [];
  #buffer;
  #isLeftOut;
  #expression = null;
  #next = 0;

  /** `isLeftOut(line)` says which lines are none of those that are searched. */
  constructor(buffer, isLeftOut = () => false) {
    this.#buffer = buffer;
    this.#isLeftOut = isLeftOut;
  }

  /** What is looked for as a global regular expression; null: nothing. */
  get expression() {
    return this.#expression;
  }

  /** Look for something else; an empty text looks for nothing. */
  start(text) {
    this.startAgain(expressionOf(text));
  }

  /** Look for what another search has looked for. */
  startAgain(expression) {
    this.#expression = expression;
    this.changed(0);
  }

  /** Say that the lines from this index on are new or different. */
  changed(index) {
    this.#next = Math.min(this.#next, index);
    while (this.matches.length && this.matches.at(-1) >= this.#next) this.matches.pop();
  }

  /** Whether lines are left to look at. */
  get isBusy() {
    return this.#expression !== null && this.#next < this.#buffer.lines.length;
  }

  /** Look at more lines for about so many milliseconds. */
  advance(milliseconds) {
    const until = performance.now() + milliseconds;
    const { lines } = this.#buffer;
    while (this.isBusy) {
      const line = lines[this.#next];
      if (this.find(line.text) >= 0 && !this.#isLeftOut(line)) this.matches.push(this.#next);
      this.#next++;
      if (this.#next % 256 === 0 && performance.now() > until) break;
    }
  }

  /** Where in a text the first match is; -1 if nowhere. */
  find(text) {
    this.#expression.lastIndex = 0;
    return this.#expression.exec(text)?.index ?? -1;
  }

  /** The place in `matches` of the first match at or after a line, going round. */
  placeFrom(index) {
    const place = this.matches.findIndex((match) => match >= index);
    return place < 0 ? 0 : place;
  }
}

function expressionOf(text) {
  return text ? new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "gi") : null;
}
