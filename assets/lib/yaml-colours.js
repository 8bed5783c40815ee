// What is what in a line of a template: YAML, and shell where commands stand. Just enough for
// colours; what a document means, the server says.

const SCALAR =
  /(?<string>"(?:[^"\\]|\\.)*"?|'(?:[^']|'')*'?)|(?<comment>(?:^|\s)#.*$)|(?<key>[\w./-]+:(?=\s|$))|(?<mark>[{}[\],])|(?<literal>(?<![\w./-])(?:true|false|null|-?\d+(?:\.\d+)?)(?![\w./:-]))/g;
const SHELL =
  /(?<comment>(?:^|\s)#.*$)|(?<variable>\$\{[^}]*\}?|\$\w+|\$[@#?*!$-])|(?<string>'[^']*'?|"(?:[^"\\]|\\.)*"?)|(?<literal>(?<![\w./-])(?:if|then|else|elif|fi|for|in|do|done|while|until|case|esac|return|exit|set|export|local|trap)(?![\w./-]))|(?<mark>[|&;<>]+)/g;
const VARIABLE = /\$\{[^}]*\}?|\$\w+/g;
const BLOCK = /^\s*[|>][-+]?\d?[-+]?\s*(?:#.*)?$/;
const KEY = /^("[^"]*"|'[^']*'|[\w./-]+)(:)(?=\s|$)(.*)$/;

/** Before the first line: in no block of text, and in no list of commands. */
export const START = "-1 -1 0";

/**
 * The parts of a line as [kind, text], and the state for the next line. A state says how far the
 * block of text is indented in whose midst the line stands, and the list of commands.
 */
export function colouredLine(line, state) {
  const [block, commands, isShell] = state.split(" ").map(Number);
  const indent = line.search(/\S/);
  if (indent < 0) return { parts: [["", line]], state };
  if (block >= 0 && indent > block) {
    return { parts: isShell ? shellParts(line) : [["string", line]], state };
  }
  return plainLine(line, indent, commands);
}

function plainLine(line, indent, before) {
  const [, space, dashes, rest] = /^(\s*)((?:- +|-$)*)(.*)$/.exec(line);
  const commands = isWithin(before, indent, dashes) ? before : -1;
  if (rest.startsWith("#")) return { parts: [["comment", line]], state: `-1 ${commands} 0` };
  const head = [
    ["", space],
    ["mark", dashes],
  ];
  const [, key, colon, value] = KEY.exec(rest) ?? [];
  const column = indent + dashes.length;
  if (key === undefined) return itemLine(head, rest, column, { commands, isItem: dashes !== "" });
  head.push(["key", key + colon]);
  const inside = key === "commands" ? column : commands;
  return BLOCK.test(value)
    ? { parts: [...head, ["mark", value]], state: `${column} ${inside} 0` }
    : { parts: [...head, ...matched(value, SCALAR)], state: `-1 ${inside} 0` };
}

/** Whether a line is one of a list of commands whose key stands at a column. */
function isWithin(commands, indent, dashes) {
  return commands >= 0 && (indent > commands || (dashes !== "" && indent === commands));
}

/** A line without a key: an item, which is a command in a list of them. */
function itemLine(head, text, column, { commands, isItem }) {
  const isCommand = isItem && commands >= 0;
  if (BLOCK.test(text)) {
    const parts = [...head, ["mark", text]];
    return { parts, state: `${column - 2} ${commands} ${isCommand ? 1 : 0}` };
  }
  const parts = isCommand ? shellParts(text) : matched(text, SCALAR);
  return { parts: [...head, ...parts], state: `-1 ${commands} 0` };
}

function shellParts(text) {
  return matched(text, SHELL).flatMap(([kind, part]) =>
    kind === "string" && part.startsWith('"') ? withVariables(part) : [[kind, part]],
  );
}

/** A text in double quotes, in which variables are variables. */
function withVariables(text) {
  const parts = [];
  let last = 0;
  for (const { 0: found, index } of text.matchAll(VARIABLE)) {
    parts.push(["string", text.slice(last, index)], ["variable", found]);
    last = index + found.length;
  }
  return [...parts, ["string", text.slice(last)]];
}

function matched(text, expression) {
  const parts = [];
  let last = 0;
  for (const found of text.matchAll(expression)) {
    const [kind] = Object.entries(found.groups).find(([, part]) => part !== undefined);
    parts.push(["", text.slice(last, found.index)], [kind, found[0]]);
    last = found.index + found[0].length;
  }
  return [...parts, ["", text.slice(last)]].filter(([, part]) => part);
}
