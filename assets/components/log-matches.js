// What a search in a log has found, here or on the server, and at which match the person is.

import { LogSearch } from "../lib/logsearch.js";

const SEARCH_MS = 8; // of each frame

export class LogMatches {
  /** Told { isSearching, place, total, isBusy, isCut } whenever the search gets on. */
  onSearched = () => {};
  #search = new LogSearch({ lines: [] });
  #place = -1;
  /** What the server has found, where not all of the log is here: { numbers, isBusy, isCut }. */
  #found = null;
  #view;

  /**
   * `view` has `indexInView` and `numberInView`, the line at the top, `goToMatch(index)` and
   * `onElsewhere(number, isMarked)`, and `parts`, which say what is left out.
   */
  constructor(view) {
    this.#view = view;
  }

  /** What is looked for as a regular expression; null: nothing. */
  get expression() {
    return this.#search.expression;
  }

  /** Search these lines from now on: those of another log, or another part of the same. */
  take(buffer, { isSameLog }) {
    const { expression } = this.#search;
    this.#search = new LogSearch(buffer, (line) => this.#view.parts.isLeftOut(line));
    if (isSameLog) this.#search.startAgain(expression);
    else this.#found = null;
  }

  /** Say that the lines from this index on are new or different. */
  changed(index) {
    this.#search.changed(index);
  }

  /** Look for a text; goes to the first match from what is in sight on. */
  start(text) {
    this.#search.start(text);
    this.#found = null;
    this.#place = -1;
    this.#tell(); // nothing of what was looked for before is said any more
  }

  /** Where in a text what is looked for begins; 0 if nowhere. */
  characterIn(text) {
    return this.expression ? Math.max(0, this.#search.find(text)) : 0;
  }

  /** Go `by` matches forwards or backwards, round the ends. */
  step(by) {
    const matches = this.#found?.numbers ?? this.#search.matches;
    if (!matches.length) return;
    this.#goTo((this.#place + by + matches.length) % matches.length);
  }

  /** Take what the server has found; null: the lines here are searched. */
  showFound(found) {
    this.#found = found;
    if (!found) return;
    const { numbers, isBusy } = found;
    const top = this.#view.numberInView;
    if (this.#place < 0 && numbers.length && (!isBusy || numbers.at(-1) >= top)) {
      const next = numbers.findIndex((number) => number >= top);
      this.#goTo(Math.max(0, next));
    }
    this.#tell();
  }

  /** Search on for a part of a frame; true if there is more to do. */
  searchOn() {
    if (!this.#search.isBusy) return false;
    this.#search.advance(SEARCH_MS);
    const { isBusy, matches } = this.#search;
    const top = this.#view.indexInView;
    const isOpen = !this.#found && this.#place < 0 && matches.length > 0;
    if (isOpen && (!isBusy || matches.at(-1) >= top)) this.#goTo(this.#search.placeFrom(top));
    this.#tell();
    return this.#search.isBusy;
  }

  #goTo(place) {
    this.#place = place;
    if (this.#found) this.#view.onElsewhere(this.#found.numbers[place], true);
    else this.#view.goToMatch(this.#search.matches[place]);
    this.#tell();
  }

  #tell() {
    const { isBusy, isCut = false } = this.#found ?? this.#search;
    const total = (this.#found?.numbers ?? this.#search.matches).length;
    const isSearching = this.expression !== null;
    this.onSearched({ isSearching, place: this.#place, total, isBusy, isCut });
  }
}
