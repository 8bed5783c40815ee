// The lines of a log, of which only those in sight are in the document.

import { h } from "../lib/dom.js";
import { LineBuffer } from "../lib/linebuffer.js";
import { LogParts } from "../lib/log-parts.js";
import { selectionFrom, textOf, whenMovedUp } from "../lib/log-selection.js";
import { Rows } from "../lib/rows.js";
import { LogCanvas, ROW_HEIGHT } from "./log-canvas.js";
import { LogChoice } from "./log-choice.js";
import { LogMatches } from "./log-matches.js";
import { t } from "../lib/language.js";

const NEAR_EDGE_ROWS = 100; // then the next part of the log is asked for
const NEAR_END = 4; // pixels from the end that still count as being there

export class LogView {
  /** Told whether the view follows the log's end, when scrolling changes that. */
  onFollowing = () => {};
  /** Told "earlier" or "later" when what comes before or behind the lines here is soon in sight. */
  onEdge = () => {};
  /** Told the number of a line to go to that may not be here, and whether to mark it. */
  onElsewhere = () => {};
  /** Its phases and commands, and which of them are folded. */
  parts = new LogParts();
  /** The lines at hand. */
  buffer = new LineBuffer();
  #rows;
  #isTail = true;
  /** The row at the top when it was drawn, to stay there when lines go or come before it. */
  #top = null;
  #dropped = 0;
  /** The number of the line that the address asks for, until it has come. */
  #wanted = 0;
  /** Whether it stays at the log's end as that grows. */
  isFollowing = true;
  #isWrapped = true;
  #isTimed = false;
  /** The key of the heading that was pressed, which is to have the focus when it is drawn anew. */
  #pressed = "";
  #frame = 0;
  #width = 0;
  #takesPlace;
  #canvas = new LogCanvas();
  /** What is looked for and found. */
  matches = new LogMatches(this);
  #choice = new LogChoice(this);
  #ruler = h("span", { class: "log-ruler", "aria-hidden": "true" }, "0".repeat(100));

  /** `takesPlace`: it begins at the lines that the address names. */
  constructor({ takesPlace = true, signal }) {
    this.#takesPlace = takesPlace;
    this.element = h(
      "div",
      { class: "log-scroller", tabindex: "0", role: "group", "aria-label": t`Log lines` },
      this.#canvas.element,
      this.#ruler,
    );
    this.element.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.element.addEventListener("click", (event) => this.#clicked(event));
    this.#choice.listen(this.element);
    whenMovedUp(this.element, () => this.isFollowing && this.setFollowing(false));
    const observer = new ResizeObserver(() => this.redraw());
    observer.observe(this.element);
    signal.addEventListener("abort", () => {
      observer.disconnect();
      cancelAnimationFrame(this.#frame);
    });
  }

  /** Show another log from its beginning. */
  show(buffer) {
    this.#take(buffer, { isTail: true, isSameLog: false });
    this.#choice.take(this.#takesPlace ? selectionFrom(location.hash) : null);
    this.#wanted = this.#choice.from;
    if (this.#wanted) this.setFollowing(false);
    this.redraw();
  }

  /**
   * Show another part of the same log; `isTail`: the one that grows. The line at the top stays, if
   * it is there too.
   */
  swap(buffer, { isTail }) {
    const top = this.numberInView;
    const isThere = top >= buffer.firstNumber && top <= buffer.lastNumber;
    this.#take(buffer, { isTail, isSameLog: true });
    if (isThere && !this.isFollowing) this.#scrollTo(buffer.indexOfNumber(top), 0, 0);
    this.redraw();
  }

  #take(buffer, { isTail, isSameLog }) {
    this.buffer = buffer;
    this.#isTail = isTail;
    this.#rows = new Rows(buffer, this.parts);
    this.matches.take(buffer, { isSameLog });
    this.#dropped = buffer.dropped;
    this.#top = null;
    this.#width = 0;
    buffer.takeShifts();
    buffer.takeChanged();
  }

  /** Say that the log has grown. */
  changed() {
    const shifts = this.buffer.takeShifts();
    const from = this.buffer.takeChanged();
    if (from === Infinity && !shifts.length) return;
    this.#rows.shift(shifts);
    this.#rows.changed(from);
    this.matches.changed(shifts.length ? 0 : from);
    this.#keepTop();
    if (this.#wanted && this.buffer.lastNumber >= this.#wanted) {
      const wanted = this.#wanted;
      this.#wanted = 0;
      this.showNumber(wanted);
    }
    this.#ask();
  }

  /** Begin to read at the line with this number, now or as soon as it is here; the address stays. */
  openAt(number) {
    this.#choice.take({ from: number, to: number });
    this.setFollowing(false);
    if (this.buffer.lastNumber >= number) this.showNumber(number);
    else this.#wanted = number;
    this.redraw();
  }

  /** Scroll to the line with this number, or ask for it. */
  showNumber(number) {
    const { firstNumber, lastNumber } = this.buffer;
    if (number < firstNumber || (number > lastNumber && !this.#isTail)) this.onElsewhere(number);
    else this.#scrollTo(this.buffer.indexOfNumber(number));
  }

  /** Lines that went or came before those in sight move nothing. */
  #keepTop() {
    if (this.#dropped === this.buffer.dropped) return;
    this.#dropped = this.buffer.dropped;
    if (this.isFollowing || !this.#top || !this.buffer.lines.length) return;
    const { index, start, rest } = this.#top;
    this.#layOut();
    const here = Math.max(0, Math.min(index - this.#dropped, this.buffer.lines.length - 1));
    this.#moveTo(this.#rows.rowOf(here, start) * ROW_HEIGHT + rest);
  }

  /** Learn how far the phases are whose log it is. */
  describe(phases) {
    if (this.parts.describe(phases)) this.#arrange();
    else this.redraw(); // a heading shows how its command stands
  }

  /** Show standard error alone, or all. */
  setErrorsOnly(isOn) {
    this.#arrange(() => (this.parts.isErrorsOnly = isOn));
    this.matches.take(this.buffer, { isSameLog: true });
  }

  /** Fold all phases, or unfold all. */
  foldAll = (isOn) => this.#arrange(() => this.parts.foldAll(isOn));

  /** Whether the line with this number is here and shown. */
  shows(number) {
    const line = this.buffer.lines[this.buffer.indexOfNumber(number)];
    return line?.number === number && !this.parts.isLeftOut(line);
  }

  /** Lay out anew what may be hidden or have headings now. */
  #arrange(change = () => {}) {
    this.#keepingPlace(() => {
      change();
      this.#rows?.changed(0);
    });
  }

  setWrapped(isOn) {
    this.#keepingPlace(() => (this.#isWrapped = isOn));
  }

  setTimed(isOn) {
    this.#keepingPlace(() => (this.#isTimed = isOn));
    this.element.classList.toggle("is-timed", isOn);
  }

  setFollowing(isOn) {
    this.isFollowing = isOn;
    this.onFollowing(isOn);
    this.#ask();
  }

  /** Scroll to a line and mark it, at what is looked for. */
  goToNumber(number) {
    this.goToMatch(this.buffer.indexOfNumber(number));
  }

  /** Scroll to a line and mark it. */
  goToLine(index, character = 0) {
    this.setFollowing(false);
    const { lines } = this.buffer;
    this.#choice.choose(lines[index].number || (lines[index + 1]?.number ?? 1));
    this.#scrollTo(index, character);
  }

  /** The text of the lines that are chosen, or else of all that are shown. */
  get text() {
    const shown = this.buffer.lines.filter((line) => !this.parts.isLeftOut(line));
    return this.#choice.textIn(shown) || textOf(shown);
  }

  #scrollTo(index, character = 0, share = 1 / 3) {
    this.#layOut();
    this.#dropped = this.buffer.dropped;
    if (this.parts.reveal(this.buffer.lines[index])) this.#rows.changed(0);
    const row = this.#rows.rowOf(index, character);
    this.#moveTo(row * ROW_HEIGHT - this.element.clientHeight * share);
    this.#top = this.#placeAt(this.element.scrollTop); // before it is drawn, lines may come above
    this.redraw();
  }

  /** Show a match that is here. */
  goToMatch = (index) =>
    this.goToLine(index, this.matches.characterIn(this.buffer.lines[index].text));

  #keepingPlace(change) {
    const top = this.#pieceInView();
    change();
    if (top && !this.isFollowing) {
      this.#layOut();
      this.#moveTo(this.#rows.rowOf(top.index, top.start) * ROW_HEIGHT);
    }
    this.redraw();
  }

  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.element;
    const isAtEnd = this.#isTail && scrollTop + clientHeight >= scrollHeight - NEAR_END;
    if (scrollHeight > clientHeight && isAtEnd !== this.isFollowing && !this.#isOwnScroll) {
      this.isFollowing = isAtEnd;
      this.onFollowing(isAtEnd);
    }
    this.#isOwnScroll = false;
    this.#ask();
  }

  /** Set while our own scrolling, not the person's, is what the next scroll event tells of. */
  #isOwnScroll = false;

  #clicked(event) {
    const row = event.target.closest(".log-row");
    if (!row) return;
    const index = Number(row.dataset.index);
    const fold = event.target.closest(".log-fold");
    if (fold) this.#fold(fold.dataset.fold, index, row.getBoundingClientRect().top);
    else if (event.target.closest(".log-more")) {
      this.#rows.expand(index);
      this.redraw();
    } else if (event.target.closest(".log-number")) this.#choice.chooseAt(index, event.shiftKey);
  }

  /** Fold what stands below a heading, or unfold it; the heading stays where it is in the window. */
  #fold(key, index, y) {
    this.setFollowing(false);
    this.#pressed = key;
    this.parts.toggle(key);
    this.#rows.changed(0);
    this.#moveTo(
      this.#rows.firstRowOf(index) * ROW_HEIGHT - (y - this.element.getBoundingClientRect().top),
    );
    this.redraw();
  }

  /** Scroll there by ourselves, as high as the lines are now. */
  #moveTo(y) {
    const { scrollTop } = this.element;
    this.#canvas.size(this.#rows);
    this.element.scrollTop = y;
    if (this.element.scrollTop !== scrollTop) this.#isOwnScroll = true;
  }

  /** Draw everything anew, as how rows look has changed. */
  redraw() {
    this.#canvas.forget();
    this.#ask();
  }

  /** Scroll no further than it takes to have this line in sight. */
  reach(index) {
    const row = this.#rows.rowOf(index) * ROW_HEIGHT;
    const { scrollTop, clientHeight } = this.element;
    if (row < scrollTop) this.element.scrollTop = row;
    else if (row + ROW_HEIGHT > scrollTop + clientHeight)
      this.element.scrollTop = row + ROW_HEIGHT - clientHeight;
  }

  #ask() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    if (!this.element.isConnected) return;
    this.#layOut();
    this.#canvas.size(this.#rows);
    this.#catchUp();
    if (this.matches.searchOn()) this.#ask();
    const { scrollTop, clientHeight } = this.element; // read before anything is changed
    const look = {
      choice: this.#choice,
      expression: this.matches.expression,
      isTimed: this.#isTimed,
      parts: this.parts,
    };
    this.#canvas.draw(this.#rows, { top: scrollTop, bottom: scrollTop + clientHeight, look });
    this.element.querySelector(`[data-fold="${this.#pressed}"]`)?.focus({ preventScroll: true });
    this.#pressed = "";
    this.#noteTop(scrollTop, clientHeight);
  }

  #noteTop(scrollTop, clientHeight) {
    if (!this.#rows.count || !clientHeight) return;
    const row = Math.floor(scrollTop / ROW_HEIGHT);
    this.#top = this.#placeAt(scrollTop);
    const last = Math.floor((scrollTop + clientHeight) / ROW_HEIGHT);
    const first = this.buffer.lines.find(({ kind }) => kind === "text");
    const isEarlier = this.buffer.firstNumber > 1 && !(first && this.parts.isFolded(first));
    if (row < NEAR_EDGE_ROWS && isEarlier) this.onEdge("earlier");
    else if (!this.#isTail && last > this.#rows.count - NEAR_EDGE_ROWS) this.onEdge("later");
  }

  #placeAt(y) {
    const { line, start } = this.#rows.at(Math.floor(y / ROW_HEIGHT));
    return { index: line.index, start, rest: y % ROW_HEIGHT };
  }

  #layOut() {
    const gutter = this.#isTimed ? 20 : 8; // characters; see css/log.css
    const character = this.#ruler.getBoundingClientRect().width / 100 || 7.2;
    const columns = Math.floor(this.element.clientWidth / character) - gutter;
    if (columns !== this.#width) {
      this.#width = columns;
      this.#canvas.forget();
    }
    this.#rows.layOut({ isWrapped: this.#isWrapped, columns });
  }

  #catchUp() {
    if (!this.isFollowing) return;
    const { scrollTop, clientHeight, scrollHeight } = this.element;
    if (scrollTop + clientHeight >= scrollHeight - 1) return;
    this.#moveTo(scrollHeight);
  }

  /** The number of the line at the top. */
  get numberInView() {
    return this.buffer.lines.slice(this.indexInView).find(({ number }) => number)?.number ?? 1;
  }

  /** The index of the line at the top. */
  get indexInView() {
    return this.#pieceInView()?.index ?? 0;
  }

  #pieceInView() {
    if (!this.#rows?.count) return null;
    const row = Math.floor(this.element.scrollTop / ROW_HEIGHT);
    return this.#rows.at(Math.min(this.#rows.count - 1, row));
  }
}
