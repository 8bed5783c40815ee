// The lines of a log that a person has chosen, by mouse or keyboard; they stand in the address.

import { textOf } from "../lib/log-selection.js";
import { announce } from "./announcer.js";
import { t } from "../lib/language.js";

const QUIET_MS = 200; // a browser lets a page change its address 200 times in half a minute

export class LogChoice {
  /** The number at which the choice began, and the one up to which it goes. */
  #anchor = 0;
  #head = 0;
  #timer = 0;
  #view;

  /**
   * `view` has the `buffer` of lines and the `parts` of which some are hidden, `shows(number)`, the
   * `text` to copy, `indexInView`, `reach(index)`, `redraw()` and `setFollowing(isOn)`.
   */
  constructor(view) {
    this.#view = view;
  }

  /** Take the keys that are pressed in this element, and what copies from there. */
  listen(element) {
    element.addEventListener("keydown", (event) => this.#keyPressed(event));
    element.addEventListener("copy", (event) => this.#copied(event));
  }

  /** Choose the lines that an address names; none if it names none. */
  take(named) {
    this.#anchor = named?.from ?? 0;
    this.#head = named?.to ?? 0;
  }

  /** Whether any are. */
  get isEmpty() {
    return !this.#anchor;
  }

  get from() {
    return Math.min(this.#anchor, this.#head);
  }

  get to() {
    return Math.max(this.#anchor, this.#head);
  }

  /** The number of the line that was chosen last. */
  get head() {
    return this.#head;
  }

  has(number) {
    return number > 0 && number >= this.from && number <= this.to;
  }

  /**
   * Choose a line, or with `isMore` all up to it, and put it into the address: at once, or where it
   * is `said` to screen readers, as keys are pressed again and again, a moment later.
   */
  choose(number, { isMore = false, said = "" } = {}) {
    this.#head = number;
    if (!isMore || this.isEmpty) this.#anchor = number;
    clearTimeout(this.#timer);
    if (said) this.#timer = setTimeout(() => (this.#noteInAddress(), announce(said)), QUIET_MS);
    else this.#noteInAddress();
  }

  /** Choose the line at this index, or with `isMore` all up to it; `said` to screen readers. */
  chooseAt(index, isMore, said = "") {
    const { number } = this.#view.buffer.lines[index];
    if (number) this.choose(number, { isMore, said });
    this.#view.redraw();
  }

  /** The text of those that are chosen; "" if none. */
  textIn(lines) {
    return textOf(lines.filter(({ number }) => this.has(number)));
  }

  /** The arrows choose lines, with Shift more of them; Escape none. */
  #keyPressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape" && !this.isEmpty) this.#clear();
    else if (step) {
      event.preventDefault();
      this.#view.setFollowing(false);
      this.#step(step, event.shiftKey);
    }
  }

  /** Choose the next line that is shown, the first one in sight if none is chosen. */
  #step(step, isMore) {
    const { buffer, parts, indexInView } = this.#view;
    const { lines } = buffer;
    const isHere = !this.isEmpty && this.#view.shows(this.head);
    let index = isHere ? buffer.indexOfNumber(this.head) + step : indexInView;
    while (lines[index] && (!lines[index].number || parts.isHidden(lines[index])))
      index += isHere ? step : 1;
    if (!lines[index]) return;
    const { number, text } = lines[index];
    this.chooseAt(index, isMore && isHere, t`Line ${number}: ${text}`);
    this.#view.reach(index);
  }

  #clear() {
    this.take(null);
    clearTimeout(this.#timer);
    this.#noteInAddress();
    this.#view.redraw();
  }

  /** What copies copies the chosen lines, unless a part of the page is marked. */
  #copied(event) {
    if (this.isEmpty || !getSelection().isCollapsed) return;
    event.clipboardData.setData("text/plain", this.#view.text);
    event.preventDefault();
  }

  #noteInAddress() {
    const { from, to } = this;
    const hash = from ? `#L${from}${to > from ? `-L${to}` : ""}` : "";
    history.replaceState(history.state, "", hash || location.pathname + location.search);
  }
}
