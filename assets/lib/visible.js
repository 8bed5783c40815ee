// Making visible what a text would hide: control characters, and those that turn the reading direction round.

const C0 = "\\u0000-\\u0008\\u000b-\\u001f\\u007f";
const C1 = "\\u0080-\\u009f";
const INVISIBLE =
  "\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\ufff9-\\ufffb";
const TAGS = "\\u{e0000}-\\u{e0fff}";
const HIDDEN = new RegExp(`[${C0}${C1}${INVISIBLE}${TAGS}]`, "gu");
const PLAIN = /^[\t\n\x20-\x7e]*$/;

/** The text with every hidden character replaced by a visible sign, such as ^G or ⟨U+202E⟩. Tabs and line ends stay. */
export function visible(text) {
  return PLAIN.test(text) ? text : text.replace(HIDDEN, sign);
}

function sign(character) {
  const code = character.codePointAt(0);
  if (code < 0x20) return `^${String.fromCharCode(code + 0x40)}`; // as `cat -v` shows it
  if (code === 0x7f) return "^?";
  return `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
}
