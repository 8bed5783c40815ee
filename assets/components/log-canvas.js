// The rows of a log that are in the document: those in sight, and some beyond each edge.

import { h } from "../lib/dom.js";
import { drawRow } from "./log-rows.js";

export const ROW_HEIGHT = 18; // pixels; --log-row in css/log.css

const MARGIN_ROWS = 12; // drawn beyond each edge, so that scrolling shows no gaps

export class LogCanvas {
  element = h("div", { class: "log-canvas" });
  #drawn = new Map();
  #epoch = 0;

  /** Draw all rows anew the next time, as how they look has changed. */
  forget() {
    this.#epoch++;
  }

  /** Be as high as all the rows are. */
  size(rows) {
    const height = `${rows.count * ROW_HEIGHT}px`;
    if (this.element.style.height !== height) this.element.style.height = height;
  }

  /** Draw the rows between two pixels; `look` is what `drawRow` of log-rows.js takes. */
  draw(rows, { top, bottom, look }) {
    const first = Math.max(0, Math.floor(top / ROW_HEIGHT) - MARGIN_ROWS);
    const last = Math.min(rows.count, Math.ceil(bottom / ROW_HEIGHT) + MARGIN_ROWS);
    const drawn = new Map();
    for (let row = first; row < last; row++) {
      const piece = rows.at(row);
      if (!piece.isRest) drawn.set(row, this.#draw(row, piece, look));
    }
    for (const [row, { element }] of this.#drawn)
      if (drawn.get(row)?.element !== element) element.remove();
    for (const { element } of drawn.values()) if (!element.parentNode) this.element.append(element);
    this.#drawn = drawn;
  }

  /** One that looks as it did stays the element that it is. */
  #draw(row, piece, look) {
    const { line, start, hidden, heading } = piece;
    const print = `${this.#epoch} ${line.index} ${line.version} ${start} ${hidden} ${heading?.key}`;
    const old = this.#drawn.get(row);
    if (old?.print === print) return old;
    const element = drawRow(piece, look);
    element.style.transform = `translateY(${row * ROW_HEIGHT}px)`;
    return { print, element };
  }
}
