// Terminal output as a person sees it on a terminal, as far as that does no harm: colours are kept,
// `\r`, backspace and erasing act within the line, and everything else (titles, links, cursor
// moves) is swallowed.

import { visibleInLog } from "./visible.js";

const ESCAPE = "\x1b";
const NOT_TEXT = /[\x07\x08\n\r\x1b]/g;
const STRING_ENDS = /[\x07\x18\x1a\x1b\n]/g; // a line end too, so that one unclosed title cannot swallow the log
const MAX_SEQUENCE = 256;
const MAX_STYLES = 4_096;
const GROUND = 0,
  ESCAPED = 1,
  CSI = 2,
  STRING = 3,
  CHARSET = 4;

/**
 * How a piece of text looks. Colours are 0–15 for the theme's palette, "rgb(…)" for any other, null
 * for none.
 */
export const PLAIN = Object.freeze({
  fg: null,
  bg: null,
  bold: false,
  dim: false,
  italic: false,
  underline: false,
  strike: false,
  inverse: false,
});

/**
 * Reads one stream of output, in pieces of any size.
 *
 * The sink is told `write(text, style)`, `newLine()`, `moveTo(column)`, `moveBack(columns)` and
 * `erase("right" | "left" | "line")`. Control and direction characters in a text have been made
 * visible.
 */
export class AnsiParser {
  #sink;
  #state = GROUND;
  #sequence = "";
  #style = PLAIN;

  constructor(sink) {
    this.#sink = sink;
  }

  /** Take the next piece of text. */
  feed(text) {
    let at = 0;
    while (at < text.length) {
      at =
        this.#state === GROUND
          ? this.#text(text, at)
          : this.#state === STRING
            ? this.#string(text, at)
            : this.#step(text, at);
    }
  }

  #text(text, from) {
    NOT_TEXT.lastIndex = from;
    const end = NOT_TEXT.exec(text)?.index ?? text.length;
    if (end > from) this.#sink.write(visibleInLog(text.slice(from, end)), this.#style);
    if (end < text.length) this.#control(text[end]);
    return end + 1;
  }

  #control(character) {
    if (character === "\n") this.#sink.newLine();
    else if (character === "\r") this.#sink.moveTo(0);
    else if (character === "\b") this.#sink.moveBack(1);
    else if (character === ESCAPE) this.#state = ESCAPED; // the bell is swallowed
  }

  #string(text, from) {
    STRING_ENDS.lastIndex = from;
    const end = STRING_ENDS.exec(text)?.index ?? text.length;
    if (end < text.length) {
      this.#state = text[end] === ESCAPE ? ESCAPED : GROUND; // ESC \ ends it; the backslash is swallowed as a sequence
      if (text[end] === "\n") this.#sink.newLine();
    }
    return end + 1;
  }

  #step(text, at) {
    const character = text[at];
    if (character < " " && character !== ESCAPE) {
      this.#state = GROUND;
      return at; // a control character breaks the sequence off and counts itself
    }
    if (character === ESCAPE) this.#state = ESCAPED;
    else if (this.#state === ESCAPED) this.#escaped(character);
    else if (this.#state === CHARSET) this.#state = GROUND;
    else this.#csi(character);
    return at + 1;
  }

  #escaped(character) {
    this.#sequence = "";
    if (character === "[") this.#state = CSI;
    else if ("]PX^_".includes(character)) this.#state = STRING;
    else if (character <= "/") this.#state = CHARSET;
    else this.#state = GROUND;
  }

  #csi(character) {
    if (character >= "@" && character <= "~") {
      this.#state = GROUND;
      this.#obey(character, this.#sequence);
    } else if (this.#sequence.length >= MAX_SEQUENCE) this.#state = GROUND;
    else this.#sequence += character;
  }

  #obey(command, parameters) {
    if (!/^[0-9;:]*$/.test(parameters)) return; // private sequences change the terminal, not the text
    const first = Number.parseInt(parameters, 10);
    if (command === "m") this.#style = restyled(this.#style, parameters);
    else if (command === "K") this.#sink.erase(["right", "left", "line"][first || 0] ?? "right");
    else if (command === "G") this.#sink.moveTo((first || 1) - 1);
    else if (command === "D") this.#sink.moveBack(first || 1);
  }
}

const styles = new Map();

/**
 * The style after "select graphic rendition" (ECMA-48, 8.3.117) with these parameters, such as
 * `1;38;5;208`.
 */
function restyled(style, parameters) {
  const next = { ...style };
  const codes = parameters.split(";");
  for (let i = 0; i < codes.length; i++) {
    const [code, ...sub] = codes[i].split(":").map(Number);
    if (code === 38 || code === 48) {
      const [colour, used] = sub.length
        ? [fromParts(sub), 0]
        : fromCodes(codes.slice(i + 1).map(Number));
      next[code === 38 ? "fg" : "bg"] = colour;
      i += used;
    } else if (code === 4 && sub.length) next.underline = sub[0] !== 0;
    else Object.assign(next, change(code));
  }
  const key = Object.values(next).join();
  if (styles.size > MAX_STYLES) styles.clear();
  if (!styles.has(key)) styles.set(key, Object.freeze(next));
  return styles.get(key);
}

const SWITCHES = {
  0: PLAIN,
  1: { bold: true },
  2: { dim: true },
  3: { italic: true },
  4: { underline: true },
  7: { inverse: true },
  9: { strike: true },
  21: { underline: true },
  22: { bold: false, dim: false },
  23: { italic: false },
  24: { underline: false },
  27: { inverse: false },
  29: { strike: false },
  39: { fg: null },
  49: { bg: null },
}; // 8, "concealed", is left out on purpose: a log hides nothing

function change(code) {
  if (code >= 30 && code <= 37) return { fg: code - 30 };
  if (code >= 40 && code <= 47) return { bg: code - 40 };
  if (code >= 90 && code <= 97) return { fg: code - 82 };
  if (code >= 100 && code <= 107) return { bg: code - 92 };
  return SWITCHES[code];
}

/** `5;n` or `2;r;g;b` after a 38 or 48: the colour, and how many codes it took. */
function fromCodes([kind, ...rest]) {
  if (kind === 5) return [indexed(rest[0]), 2];
  if (kind === 2) return [rgb(rest.slice(0, 3)), 4];
  return [null, 0];
}

/** `5:n`, `2:r:g:b` or `2:space:r:g:b`. */
function fromParts([kind, ...rest]) {
  if (kind === 5) return indexed(rest[0]);
  return kind === 2 ? rgb(rest.length > 3 ? rest.slice(1, 4) : rest) : null;
}

function indexed(number) {
  if (!(number >= 0 && number <= 255)) return null;
  if (number < 16) return number;
  if (number >= 232) return rgb(Array(3).fill(8 + (number - 232) * 10));
  const level = (step) => (step ? 55 + step * 40 : 0);
  const cube = number - 16;
  return rgb([level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6)]);
}

function rgb(parts) {
  if (parts.length < 3 || parts.some((part) => !(part >= 0 && part <= 255))) return null;
  return `rgb(${parts.map(Math.trunc).join(", ")})`;
}
