// The lines of a log, of which only those in sight are in the document.

import { h } from "../lib/dom.js";
import { selectionFrom, textOf, whenMovedUp } from "../lib/log-selection.js";
import { Rows } from "../lib/rows.js";
import { LogMatches } from "./log-matches.js";
import { drawRow } from "./log-rows.js";

const ROW_HEIGHT = 18; // pixels; --log-row in css/log.css
const MARGIN_ROWS = 12; // drawn beyond each edge, so that scrolling shows no gaps
const NEAR_EDGE_ROWS = 100; // then the next part of the log is asked for
const NEAR_END = 4; // pixels from the end that still count as being there

export class LogView {
  /** Told whether the view follows the log's end, when scrolling changes that. */
  onFollowing = () => {};
  /** Told "earlier" or "later" when what comes before or behind the lines here is soon in sight. */
  onEdge = () => {};
  /** Told the number of a line to go to that is not here. */
  onElsewhere = () => {};
  phaseNames = [];
  #buffer;
  #rows;
  #isTail = true;
  /** The row at the top when it was drawn, to stay there when lines go or come before it. */
  #top = null;
  #dropped = 0;
  /** The number of the line that the address asks for, until it has come. */
  #wanted = 0;
  #isFollowing = true;
  #isWrapped = true;
  #isTimed = false;
  #selected = null;
  #drawn = new Map();
  #epoch = 0;
  #frame = 0;
  #width = 0;
  #takesPlace;
  #canvas = h("div", { class: "log-canvas" });
  /** What is looked for and found. */
  matches = new LogMatches(this);
  #ruler = h("span", { class: "log-ruler", "aria-hidden": "true" }, "0".repeat(100));

  /** `takesPlace`: it begins at the lines that the address names. */
  constructor({ takesPlace = true, signal }) {
    this.#takesPlace = takesPlace;
    this.element = h(
      "div",
      { class: "log-scroller", tabindex: "0", role: "group", "aria-label": "Log lines" },
      this.#canvas,
      this.#ruler,
    );
    this.element.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.element.addEventListener("click", (event) => this.#clicked(event));
    whenMovedUp(this.element, () => this.#isFollowing && this.setFollowing(false));
    const observer = new ResizeObserver(() => this.#redraw());
    observer.observe(this.element);
    signal.addEventListener("abort", () => {
      observer.disconnect();
      cancelAnimationFrame(this.#frame);
    });
  }

  /** Show another log from its beginning. */
  show(buffer) {
    this.#take(buffer, { isTail: true, isSameLog: false });
    this.#selected = this.#takesPlace ? selectionFrom(location.hash) : null;
    this.#wanted = this.#selected?.from ?? 0;
    if (this.#wanted) this.setFollowing(false);
    this.#redraw();
  }

  /**
   * Show another part of the same log; `isTail`: the one that grows. The line at the top stays, if
   * it is there too.
   */
  swap(buffer, { isTail }) {
    const top = this.numberInView;
    const isThere = top >= buffer.firstNumber && top <= buffer.lastNumber;
    this.#take(buffer, { isTail, isSameLog: true });
    if (isThere && !this.#isFollowing) this.#scrollTo(buffer.indexOfNumber(top), 0, 0);
    this.#redraw();
  }

  get isFollowing() {
    return this.#isFollowing;
  }

  #take(buffer, { isTail, isSameLog }) {
    this.#buffer = buffer;
    this.#isTail = isTail;
    this.#rows = new Rows(buffer);
    this.matches.take(buffer, { isSameLog });
    this.#dropped = buffer.dropped;
    this.#top = null;
    this.#width = 0;
    buffer.takeChanged();
  }

  /** Say that the log has grown. */
  changed() {
    const from = this.#buffer.takeChanged();
    if (from === Infinity) return;
    this.#rows.changed(from);
    this.matches.changed(from);
    this.#keepTop();
    if (this.#wanted && this.#buffer.lastNumber >= this.#wanted) {
      const wanted = this.#wanted;
      this.#wanted = 0;
      this.showNumber(wanted);
    }
    this.#ask();
  }

  /** Begin to read at the line with this number, now or as soon as it is here; the address stays. */
  openAt(number) {
    this.#selected = { from: number, to: number };
    this.setFollowing(false);
    if (this.#buffer.lastNumber >= number) this.showNumber(number);
    else this.#wanted = number;
    this.#redraw();
  }

  /** Scroll to the line with this number, or ask for it. */
  showNumber(number) {
    const { firstNumber, lastNumber } = this.#buffer;
    if (number < firstNumber || (number > lastNumber && !this.#isTail)) this.onElsewhere(number);
    else this.#scrollTo(this.#buffer.indexOfNumber(number));
  }

  /** Lines that went or came before those in sight move nothing. */
  #keepTop() {
    if (this.#dropped === this.#buffer.dropped) return;
    this.#dropped = this.#buffer.dropped;
    if (this.#isFollowing || !this.#top || !this.#buffer.lines.length) return;
    const { index, start, rest } = this.#top;
    this.#layOut();
    const here = Math.max(0, Math.min(index - this.#dropped, this.#buffer.lines.length - 1));
    const row = this.#rows.rowOf(here, start);
    this.#size();
    this.#isOwnScroll = true;
    this.element.scrollTop = row * ROW_HEIGHT + rest;
  }

  setWrapped(isOn) {
    this.#keepingPlace(() => (this.#isWrapped = isOn));
  }

  setTimed(isOn) {
    this.#keepingPlace(() => (this.#isTimed = isOn));
    this.element.classList.toggle("is-timed", isOn);
  }

  setFollowing(isOn) {
    this.#isFollowing = isOn;
    this.onFollowing(isOn);
    this.#ask();
  }

  /** Look for a text; goes to the first match from what is in sight on. */
  search(text) {
    this.matches.start(text);
    this.#redraw();
  }

  /** Scroll to a line and mark it, at what is looked for. */
  goToNumber(number) {
    const index = this.#buffer.indexOfNumber(number);
    const { text } = this.#buffer.lines[index];
    this.goToLine(index, this.matches.characterIn(text));
  }

  /** Scroll to a line and mark it. */
  goToLine(index, character = 0) {
    this.setFollowing(false);
    this.#select(index, index, false);
    this.#scrollTo(index, character);
  }

  /** The text of the lines whose numbers were clicked; "" if none. */
  selectedText() {
    if (!this.#selected) return "";
    const { from, to } = this.#selected;
    return textOf(this.#buffer.lines.filter((line) => line.number >= from && line.number <= to));
  }

  /** The text of all lines. */
  wholeText() {
    return textOf(this.#buffer.lines);
  }

  #scrollTo(index, character = 0, share = 1 / 3) {
    this.#layOut();
    this.#dropped = this.#buffer.dropped;
    const row = this.#rows.rowOf(index, character);
    this.#size();
    this.#isOwnScroll = true;
    this.element.scrollTop = Math.max(0, row * ROW_HEIGHT - this.element.clientHeight * share);
    this.#top = null;
    this.#redraw();
  }

  /** Show a match that is here. */
  goToMatch(index) {
    this.goToLine(index, this.matches.characterIn(this.#buffer.lines[index].text));
  }

  /** Show a match that may not be here. */
  goElsewhere(number) {
    this.onElsewhere(number, true);
  }

  #keepingPlace(change) {
    const top = this.#pieceInView();
    change();
    if (top && !this.#isFollowing) {
      this.#layOut();
      this.#size();
      this.element.scrollTop = this.#rows.rowOf(top.index, top.start) * ROW_HEIGHT;
    }
    this.#redraw();
  }

  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.element;
    const isAtEnd = this.#isTail && scrollTop + clientHeight >= scrollHeight - NEAR_END;
    if (isAtEnd !== this.#isFollowing && !this.#isOwnScroll) {
      this.#isFollowing = isAtEnd;
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
    if (event.target.closest(".log-more")) {
      this.#rows.expand(index);
      this.#redraw();
    } else if (event.target.closest(".log-number")) this.#select(index, index, event.shiftKey);
  }

  #select(from, to, isMore) {
    const number = this.#buffer.lines[from].number || (this.#buffer.lines[to + 1]?.number ?? 1);
    const old = isMore ? this.#selected : null;
    this.#selected = old
      ? { from: Math.min(old.from, number), to: Math.max(old.to, number) }
      : { from: number, to: number };
    const { from: first, to: last } = this.#selected;
    history.replaceState(history.state, "", `#L${first}${last > first ? `-L${last}` : ""}`);
    this.#redraw();
  }

  /** Draw everything anew, as how rows look has changed. */
  #redraw() {
    this.#epoch++;
    this.#ask();
  }

  #ask() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    if (!this.element.isConnected || !this.#buffer) return;
    this.#layOut();
    this.#size();
    this.#catchUp();
    if (this.matches.searchOn()) this.#ask();
    const first = Math.max(0, Math.floor(this.element.scrollTop / ROW_HEIGHT) - MARGIN_ROWS);
    const last = Math.min(
      this.#rows.count,
      Math.ceil((this.element.scrollTop + this.element.clientHeight) / ROW_HEIGHT) + MARGIN_ROWS,
    );
    const look = {
      selected: this.#selected,
      expression: this.matches.expression,
      isTimed: this.#isTimed,
      phaseNames: this.phaseNames,
    };
    const drawn = new Map();
    for (let row = first; row < last; row++) drawn.set(row, this.#element(row, look));
    for (const [row, { element }] of this.#drawn)
      if (drawn.get(row)?.element !== element) element.remove();
    for (const { element } of drawn.values()) if (!element.parentNode) this.#canvas.append(element);
    this.#drawn = drawn;
    this.#noteTop();
  }

  #noteTop() {
    const { scrollTop, clientHeight } = this.element;
    if (!this.#rows.count || !clientHeight) return;
    const row = Math.min(this.#rows.count - 1, Math.floor(scrollTop / ROW_HEIGHT));
    const { line, start } = this.#rows.at(row);
    this.#top = { index: line.index, start, rest: scrollTop - row * ROW_HEIGHT };
    const last = Math.floor((scrollTop + clientHeight) / ROW_HEIGHT);
    if (row < NEAR_EDGE_ROWS && this.#buffer.firstNumber > 1) this.onEdge("earlier");
    else if (!this.#isTail && last > this.#rows.count - NEAR_EDGE_ROWS) this.onEdge("later");
  }

  #element(row, look) {
    const piece = this.#rows.at(row);
    const print = `${this.#epoch} ${piece.line.index} ${piece.line.version} ${piece.start} ${piece.hidden}`;
    const old = this.#drawn.get(row);
    if (old?.print === print) return old;
    const element = drawRow(piece, look);
    element.style.transform = `translateY(${row * ROW_HEIGHT}px)`;
    return { print, element };
  }

  #layOut() {
    const gutter = this.#isTimed ? 20 : 8; // characters; see css/log.css
    const character = this.#ruler.getBoundingClientRect().width / 100 || 7.2;
    const columns = Math.floor(this.element.clientWidth / character) - gutter;
    if (columns !== this.#width) {
      this.#width = columns;
      this.#epoch++;
    }
    this.#rows.layOut({ isWrapped: this.#isWrapped, columns });
  }

  #size() {
    const height = `${this.#rows.count * ROW_HEIGHT}px`;
    if (this.#canvas.style.height !== height) this.#canvas.style.height = height;
  }

  #catchUp() {
    if (!this.#isFollowing) return;
    const { scrollTop, clientHeight, scrollHeight } = this.element;
    if (scrollTop + clientHeight >= scrollHeight - 1) return;
    this.#isOwnScroll = true;
    this.element.scrollTop = scrollHeight;
  }

  /** The number of the line at the top. */
  get numberInView() {
    return this.#buffer.lines.slice(this.indexInView).find(({ number }) => number)?.number ?? 1;
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
