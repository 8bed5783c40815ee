// Making visible what a text would hide: control characters, those that turn the reading direction
// round, and those that nobody sees. The command line and messages do the same
// (`opsicle/domain/visible_text.py`).

import { t } from "./language.js";

const C0 = "\\u0000-\\u0008\\u000b-\\u001f\\u007f";
const C1 = "\\u0080-\\u009f";
const INVISIBLE =
  "\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0\\ufff9-\\ufffb";
const TAGS = "\\u{e0000}-\\u{e0fff}";
const UNLIKELY_IN_LOGS =
  "\\u00a0\\u1680\\u2000-\\u200a\\u200c\\u200d\\u202f\\u205f\\u2800\\u3000\\ufe00-\\ufe0d";
const HIDDEN_IN_LOGS = new RegExp(`[${C0}${C1}${INVISIBLE}${TAGS}]`, "gu");
const HIDDEN = new RegExp(
  `[${C0}${C1}${INVISIBLE}${TAGS}${UNLIKELY_IN_LOGS}]|(?<=[\\p{L}\\p{N}\\x20-\\x7e])[\\ufe0e\\ufe0f]`,
  "gu",
);
const PLAIN = /^[\t\n\x20-\x7e]*$/;

/**
 * The text with every hidden character replaced by a visible sign, such as ^G or ⟨U+202E⟩. Tabs and
 * line ends stay.
 */
export function visible(text) {
  return PLAIN.test(text) ? text : text.replace(HIDDEN, sign);
}

/** The same for what a program printed, where spaces of other widths and joined emoji are usual. */
export function visibleInLog(text) {
  return PLAIN.test(text) ? text : text.replace(HIDDEN_IN_LOGS, sign);
}

/**
 * A value as its reader has to know it: one line for each item; line ends, tabs, and blanks at
 * either end are seen.
 */
export function visibleValue(value) {
  if (Array.isArray(value)) return value.length ? value.map(visibleValue).join("\n") : t`no items`;
  if (value === undefined || value === null) return "";
  if (value === "") return "“”";
  return visibleLine(String(value))
    .replace(/^ +| +$/g, (blanks) => "␣".repeat(blanks.length))
    .replaceAll("⏎", "⏎\n");
}

/** A text of one line, line ends and tabs made visible too. */
export function visibleLine(text) {
  return visible(text).replaceAll("\n", "⏎").replaceAll("\t", "⇥");
}

function sign(character) {
  const code = character.codePointAt(0);
  if (code < 0x20) return `^${String.fromCharCode(code + 0x40)}`; // as `cat -v` shows it
  if (code === 0x7f) return "^?";
  return `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
}
