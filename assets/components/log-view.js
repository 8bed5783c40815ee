// The lines of a log, of which only those in sight are in the document.

import { h } from "../lib/dom.js";
import { LogSearch } from "../lib/logsearch.js";
import { Rows } from "../lib/rows.js";
import { drawRow } from "./log-rows.js";

const ROW_HEIGHT = 18; // pixels; --log-row in css/log.css
const MARGIN_ROWS = 12; // drawn beyond each edge, so that scrolling shows no gaps
const SEARCH_MS = 8; // of each frame
const NEAR_END = 4; // pixels from the end that still count as being there

export class LogView {
  /** Told { isSearching, place, total, isBusy } whenever the search gets on. */
  onSearched = () => {};
  /** Told whether the view follows the log's end, when scrolling changes that. */
  onFollowing = () => {};
  phaseNames = [];
  #buffer;
  #rows;
  #search;
  #place = -1;
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
  #canvas = h("div", { class: "log-canvas" });
  #ruler = h("span", { class: "log-ruler", "aria-hidden": "true" }, "0".repeat(100));

  constructor({ signal }) {
    this.element = h(
      "div",
      { class: "log-scroller", tabindex: "0", role: "group", "aria-label": "Log lines" },
      this.#canvas,
      this.#ruler,
    );
    this.element.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.element.addEventListener("click", (event) => this.#clicked(event));
    this.#watchForLettingGo();
    const observer = new ResizeObserver(() => this.#redraw());
    observer.observe(this.element);
    signal.addEventListener("abort", () => {
      observer.disconnect();
      cancelAnimationFrame(this.#frame);
    });
  }

  /** Show another log from its beginning. */
  show(buffer) {
    this.#buffer = buffer;
    this.#rows = new Rows(buffer);
    this.#search = new LogSearch(buffer);
    this.#selected = selectionFrom(location.hash);
    this.#wanted = this.#selected?.from ?? 0;
    if (this.#wanted) this.setFollowing(false);
    this.#redraw();
  }

  /** Say that the log has grown. */
  changed() {
    const from = this.#buffer.takeChanged();
    if (from === Infinity) return;
    this.#rows.changed(from);
    this.#search.changed(from);
    if (this.#wanted && this.#buffer.lines.at(-1).number >= this.#wanted) {
      this.#scrollTo(this.#buffer.indexOfNumber(this.#wanted));
      this.#wanted = 0;
    }
    this.#ask();
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
    this.#search.start(text);
    this.#place = -1;
    this.#redraw();
  }

  /** Go `by` matches forwards or backwards, round the ends. */
  step(by) {
    const { matches } = this.#search;
    if (!matches.length) return;
    this.#goToMatch((this.#place + by + matches.length) % matches.length);
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

  #scrollTo(index, character = 0) {
    this.#layOut();
    const row = this.#rows.rowOf(index, character);
    this.#size();
    this.#isOwnScroll = true;
    this.element.scrollTop = Math.max(0, row * ROW_HEIGHT - this.element.clientHeight / 3);
    this.#redraw();
  }

  /** Whoever moves upwards wants to read: stop following, however fast the log grows meanwhile. */
  #watchForLettingGo() {
    const letGo = () => this.#isFollowing && this.setFollowing(false);
    this.element.addEventListener("wheel", (event) => event.deltaY < 0 && letGo(), {
      passive: true,
    });
    this.element.addEventListener("touchmove", letGo, { passive: true });
    this.element.addEventListener(
      "keydown",
      (event) => ["ArrowUp", "PageUp", "Home"].includes(event.key) && letGo(),
    );
    this.element.addEventListener(
      "pointerdown",
      (event) => event.target === this.element && letGo(),
    ); // the scroll bar
  }

  #goToMatch(place) {
    this.#place = place;
    const index = this.#search.matches[place];
    this.goToLine(index, this.#search.find(this.#buffer.lines[index].text));
    this.#tellSearch();
  }

  #tellSearch() {
    this.onSearched({
      isSearching: this.#search.expression !== null,
      place: this.#place,
      total: this.#search.matches.length,
      isBusy: this.#search.isBusy,
    });
  }

  #keepingPlace(change) {
    const top = this.#rows?.count
      ? this.#rows.at(
          Math.min(this.#rows.count - 1, Math.floor(this.element.scrollTop / ROW_HEIGHT)),
        )
      : null;
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
    const isAtEnd = scrollTop + clientHeight >= scrollHeight - NEAR_END;
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
    this.#searchOn();
    const first = Math.max(0, Math.floor(this.element.scrollTop / ROW_HEIGHT) - MARGIN_ROWS);
    const last = Math.min(
      this.#rows.count,
      Math.ceil((this.element.scrollTop + this.element.clientHeight) / ROW_HEIGHT) + MARGIN_ROWS,
    );
    const look = {
      selected: this.#selected,
      expression: this.#search.expression,
      isTimed: this.#isTimed,
      phaseNames: this.phaseNames,
    };
    const drawn = new Map();
    for (let row = first; row < last; row++) drawn.set(row, this.#element(row, look));
    for (const [row, { element }] of this.#drawn)
      if (drawn.get(row)?.element !== element) element.remove();
    for (const { element } of drawn.values()) if (!element.parentNode) this.#canvas.append(element);
    this.#drawn = drawn;
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

  #searchOn() {
    if (!this.#search.isBusy) return;
    this.#search.advance(SEARCH_MS);
    if (
      this.#place < 0 &&
      this.#search.matches.length &&
      (!this.#search.isBusy || this.#isPastView())
    ) {
      this.#goToMatch(this.#search.placeFrom(this.#indexInView()));
    }
    this.#tellSearch();
    if (this.#search.isBusy) this.#ask();
  }

  #indexInView() {
    return this.#rows.count
      ? this.#rows.at(
          Math.min(this.#rows.count - 1, Math.floor(this.element.scrollTop / ROW_HEIGHT)),
        ).index
      : 0;
  }

  #isPastView() {
    return this.#search.matches.at(-1) >= this.#indexInView();
  }
}

function textOf(lines) {
  return lines
    .filter((line) => line.kind === "text")
    .map((line) => line.text)
    .join("\n");
}

function selectionFrom(hash) {
  const found = /^#L(\d+)(?:-L(\d+))?$/.exec(hash);
  return found ? { from: Number(found[1]), to: Number(found[2] ?? found[1]) } : null;
}
