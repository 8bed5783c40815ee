// An automation's log: the bar above it, and the events that fill it.

import { fromBase64, sizeText } from "../lib/bytes.js";
import { h } from "../lib/dom.js";
import { LineBuffer } from "../lib/linebuffer.js";
import { LogSource } from "../lib/log-pages.js";
import { announce } from "./announcer.js";
import { buttonLink, copyButton } from "./buttons.js";
import { searchBar, toggles } from "./log-bar.js";
import { LogView } from "./log-view.js";
import { sentence } from "./problems.js";
import { isFinal } from "./states.js";
import { t } from "../lib/language.js";

/** Of a log that is there already, what the page shows first. */
export const TAIL_LINES = 2_000;
const PIECE_LINES = 2_000; // asked for at a time
const KEPT_LINES = 20_000; // on each side of what is in sight, when a part becomes too long

/**
 * The whole panel as `element`, for the automation with this id, or for its plan; everything ends
 * with `signal`. `takesPlace`: it begins at the lines that the address names.
 */
export class LogPanel {
  #source;
  #signal;
  /** The end of the log, which grows. */
  #tail = new LineBuffer();
  /** An earlier part of it that is shown instead; null: the tail is. */
  #piece = null;
  #isFetching = false;
  #finding = new AbortController();
  #text = "";
  /** Look at once for what has been typed, not for what stood there before. */
  #searchNow = () => false;
  /** While standard error is shown alone: from which line on all of the tail is here. */
  #wholeFrom = 0;
  #hasAllErrors = false;
  /** How often somebody has asked for a line. */
  #going = 0;
  #job = "";
  #view;
  #toggles;
  #empty = h("p", { class: "log-empty" }, "");
  #size = h("span", { class: "muted small" });
  #bytes = 0;
  /** The number of the line at which to begin to read; 0: at the end. */
  #opensAt = 0;

  constructor({ id, isPlan = false, takesPlace = true, mark, signal }) {
    this.#source = new LogSource(id, { isPlan });
    this.#signal = signal;
    this.#view = new LogView({ takesPlace, signal });
    this.#view.show(this.#tail);
    this.#view.onEdge = (side) => this.#fetchOn(side);
    this.#view.onElsewhere = (number, isMatch) => this.#goToNumber(number, isMatch);
    signal.addEventListener("abort", () => this.#finding.abort());
    const { bar, searched, searchNow } = searchBar(this.#view, (text) => this.#find(text));
    this.#view.matches.onSearched = searched;
    this.#searchNow = searchNow;
    const copy = copyButton(() => this.#view.text);
    copy.title = t`Copy the chosen lines, or all that are loaded. Click a line number or press an arrow key to choose, with Shift for more.`;
    this.#toggles = toggles(this.#view, {
      followed: (isOn) => isOn && this.#showTail(),
      setErrorsOnly: (isOn) => this.#setErrorsOnly(isOn),
    });
    const download = buttonLink(t`Raw`, this.#source.address, {
      name: "download",
      download: isPlan ? `${id}-plan.log` : `${id}.log`,
      title: t`Download the log’s bytes as they are`,
    });
    this.element = h(
      "section",
      { class: "log-panel", "aria-label": isPlan ? t`Log of the plan` : t`Log` },
      h(
        "div",
        { class: "log-bar" },
        h("h2", {}, isPlan ? t`Log of the plan` : t`Log`),
        mark,
        this.#size,
        h("span", { class: "grow" }),
        bar,
        this.#toggles.element,
        copy,
        download,
      ),
      h("div", { class: "log-frame" }, this.#view.element, this.#empty),
    );
  }

  /** Take a `log` event. */
  append({ job_id: job, chunks, lines_before: linesBefore, open_lines: open }) {
    if (job !== this.#job) this.#begin(job, { linesBefore, open });
    const isDetachable = !this.#piece && !this.#view.isFollowing && !this.#isErrorsOnly;
    if (this.#tail.isNearlyFull && isDetachable) this.#detach();
    for (const { offset, phase, stream, at, data } of chunks) {
      const bytes = fromBase64(data);
      if (offset + bytes.length <= this.#bytes) continue; // shown already, before the connection broke
      this.#tail.append({ offset, phase, stream, at: Date.parse(at), bytes });
      this.#bytes = offset + bytes.length;
    }
    this.#empty.hidden = true;
    this.#size.textContent = sizeText(this.#bytes);
    if (!this.#piece) this.#view.changed();
  }

  /** Show a log to which nothing comes any more, from its end. */
  async load() {
    const found = await this.#fetch({ tail: TAIL_LINES });
    if (!found) return;
    this.#tail = found.buffer;
    this.#empty.hidden = true;
    this.#view.show(found.buffer);
  }

  /** Learn what the automation's phases are called, and why there may be no log. */
  describe(automation) {
    const { jobs, plan, phases } = automation;
    const shown = this.#source.isPlan || jobs.at(-1)?.is_plan ? plan : phases;
    this.#view.describe(shown);
    this.#empty.textContent = isFinal(automation.state)
      ? automation.started_at
        ? sentence(automation.log_remark || t`it printed nothing`)
        : t`It did not run.`
      : automation.started_at
        ? t`Nothing printed yet.`
        : t`The log begins when a worker starts it.`;
  }

  /** Say that the log is complete. */
  finish() {
    this.#tail.finish();
    if (!this.#piece) this.#view.changed();
  }

  /**
   * Show where a phase's output begins, or that of one of its commands, which begins at this byte
   * of the log.
   */
  goTo(phase, offset) {
    const first = this.#tail.lines[0];
    const isAPhase = offset === null || offset === undefined;
    const isBefore = isAPhase ? first?.phase >= phase : offset < first?.offset;
    if (isBefore && this.#tail.firstNumber > 1) {
      this.#goToPlace(isAPhase ? 0 : offset);
      return;
    }
    const index = isAPhase
      ? this.#tail.lines.findIndex((line) => line.phase >= phase)
      : this.#tail.indexAtOffset(offset);
    if (index < 0) announce(t`It has printed nothing`);
    else {
      this.#showTail();
      this.#view.goToLine(index);
    }
  }

  /** Begin to read at the line with this number, as soon as it is here. */
  openAt(number) {
    this.#opensAt = number;
    this.#view.openAt(number);
  }

  /** Show the line with this number. */
  goToNumber(number) {
    this.#goToNumber(number, true);
  }

  /** Show a line wherever it is; `isMarked`: mark it too. */
  async #goToNumber(number, isMarked) {
    const going = ++this.#going;
    this.#view.setFollowing(false);
    if (this.#isErrorsOnly && !(await this.#hasError(number))) this.#toggles.endErrorsOnly();
    const isIn = (buffer) => buffer && number >= buffer.firstNumber && number <= buffer.lastNumber;
    if (number >= this.#tail.firstNumber) this.#showTail();
    else if (!isIn(this.#piece)) {
      const from = Math.max(1, number - PIECE_LINES / 2);
      const piece = await this.#fetch({ from_line: from, lines: PIECE_LINES });
      if (!piece || going !== this.#going) return; // or somebody wants to be elsewhere by now
      this.#showPiece(piece.buffer);
    }
    if (isMarked) this.#view.goToNumber(number);
    else this.#view.showNumber(number);
  }

  /** Show the line that begins at this byte of the log or behind it. */
  async #goToPlace(offset) {
    const found = await this.#fetch({ from_byte: offset, lines: 1 });
    if (found) await this.#goToNumber(found.buffer.firstNumber, true);
  }

  get #isErrorsOnly() {
    return this.#view.parts.isErrorsOnly;
  }

  /** Show standard error alone; of what is not here yet, only that is fetched from then on. */
  #setErrorsOnly(isOn) {
    if (isOn === this.#isErrorsOnly) return;
    if (isOn) {
      this.#showTail();
      this.#wholeFrom = this.#tail.firstNumber;
      this.#hasAllErrors = false;
    } else if (this.#tail.firstNumber < this.#wholeFrom) {
      this.#tail.cutStart(this.#tail.indexOfNumber(this.#wholeFrom));
      this.#view.changed();
    }
    this.#view.setErrorsOnly(isOn);
    if (!this.#searchNow() && this.#text) this.#find(this.#text);
  }

  /** Fetch errors up to a line; whether it is here then and one of them. */
  async #hasError(number) {
    while (number < this.#tail.firstNumber && this.#hasMoreErrors)
      if (!(await this.#fetchErrors())) break;
    return this.#view.shows(number);
  }

  get #hasMoreErrors() {
    return !this.#hasAllErrors && !this.#tail.isFull && this.#tail.firstNumber > 1;
  }

  /** Put errors of before the tail above it; false if nothing came of it. */
  async #fetchErrors() {
    const before = this.#tail.firstNumber;
    const query = { tail: PIECE_LINES, before_line: before, stream: "stderr" };
    const found = await this.#fetch(query);
    if (!this.#isErrorsOnly || before !== this.#tail.firstNumber) return false;
    this.#hasAllErrors = found === null;
    if (found) this.#join(this.#tail, found.buffer, "earlier");
    return found !== null;
  }

  /** Fetch what comes before or behind the lines that are shown. */
  async #fetchOn(side) {
    if (this.#isFetching) return;
    this.#isFetching = true;
    if (this.#isErrorsOnly) {
      if (this.#hasMoreErrors) await this.#fetchErrors();
      this.#isFetching = false;
      return;
    }
    const shown = this.#piece ?? this.#tail;
    const { firstNumber, lastNumber } = shown;
    const from = side === "later" ? lastNumber + 1 : Math.max(1, firstNumber - PIECE_LINES);
    const to = side === "later" ? lastNumber + PIECE_LINES : firstNumber - 1;
    const found = await this.#fetchAll(from, to);
    if (found && shown === (this.#piece ?? this.#tail)) this.#join(shown, found, side);
    this.#isFetching = false;
  }

  #join(shown, buffer, side) {
    if (side === "later") {
      shown.extend(buffer);
      if (shown.isFull) shown.cutStart(shown.lines.length - 2 * KEPT_LINES);
    } else {
      shown.prepend(buffer);
      if (shown.isFull && this.#piece) shown.cutEnd(2 * KEPT_LINES);
    }
    this.#view.changed();
    if (this.#isErrorsOnly) return;
    if (!this.#piece && shown.isFull) this.#detach();
    else if (this.#piece && shown.lastNumber + 1 >= this.#tail.firstNumber) this.#rejoin();
  }

  /** From now on an earlier part is shown, so that the tail may go on and stay short. */
  #detach() {
    this.#showPiece(this.#tail.copyAround(this.#view.indexInView, KEPT_LINES));
    this.#tail.cutStart(this.#tail.lines.length - KEPT_LINES);
  }

  /** The part that is shown has reached the tail: they are one again. */
  #rejoin() {
    const piece = this.#piece;
    const common = this.#tail.firstNumber;
    piece.cutEnd(piece.indexOfNumber(common - 1) + 1);
    this.#tail.prepend(piece);
    this.#showTail();
  }

  #showPiece(buffer) {
    this.#piece = buffer;
    this.#view.setFollowing(false);
    this.#view.swap(buffer, { isTail: false });
  }

  #showTail() {
    if (!this.#piece) return;
    this.#piece = null;
    this.#view.swap(this.#tail, { isTail: true });
  }

  /** All lines from one number to another: where they are long, they come in several pages. */
  async #fetchAll(from, to) {
    let all = null;
    while (!all || all.lastNumber < to) {
      const first = all ? all.lastNumber + 1 : from;
      const found = await this.#fetch({ from_line: first, lines: to - first + 1 });
      if (!found) break;
      if (all) all.extend(found.buffer);
      else all = found.buffer;
    }
    return all;
  }

  /** Lines of the log; null if they cannot be had, which is told. */
  async #fetch(query) {
    try {
      const found = await this.#source.lines(query, this.#signal);
      return found.buffer.lines.length ? found : null;
    } catch (error) {
      if (!this.#signal.aborted) announce(sentence(error.message));
      return null;
    }
  }

  /** Look for a text; where not all of the log is here, the server does. */
  async #find(text) {
    this.#finding.abort();
    this.#finding = new AbortController();
    this.#going++; // a match of what was looked for before leads nowhere now
    const { signal } = this.#finding;
    this.#text = text;
    this.#view.matches.start(text);
    this.#view.redraw();
    if (!text || (!this.#piece && this.#tail.firstNumber === 1)) return;
    this.#view.matches.showFound({ numbers: [], isBusy: true });
    const stream = this.#isErrorsOnly ? "stderr" : "";
    try {
      for await (const found of this.#source.find(text, stream, signal)) {
        if (signal.aborted) return;
        this.#view.matches.showFound(found);
      }
    } catch (error) {
      if (signal.aborted) return;
      announce(sentence(error.message));
      this.#view.matches.showFound({ numbers: [], isBusy: false });
    }
  }

  #begin(job, start) {
    this.#job = job;
    this.#bytes = 0;
    this.#piece = null;
    this.#tail = new LineBuffer({}, start);
    this.#view.show(this.#tail);
    if (this.#opensAt) this.#view.openAt(this.#opensAt);
  }
}
