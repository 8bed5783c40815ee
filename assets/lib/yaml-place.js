// Where in a document the cursor stands, by how far its lines are indented: enough to say which
// fields may come there.

const LINE = /^(\s*)((?:- +)*)(?:([\w./-]+):(?=\s|$))?/;
const NEW_KEY = /^(\s*)((?:- +)*)([\w-]*)$/;
const NEW_VALUE = /^(\s*)((?:- +)*)([\w./-]+): +([\w-]*)$/;

/**
 * The place at a column of a line: `path` of keys, "[]" for an item, `typed` what of the word is
 * there, `used` the keys that stand beside it, and `key` where it is that key's value. Null where
 * nothing is offered.
 */
export function placeAt(lines, row, column) {
  const before = lines[row].slice(0, column);
  const value = NEW_VALUE.exec(before);
  const found = value ?? NEW_KEY.exec(before);
  if (!found || /\S/.test(lines[row].slice(column))) return null;
  const [, space, dashes] = found;
  const at = space.length + dashes.length;
  const above = pathAbove(lines, row, { at, dashes: dashesOf(space, dashes) });
  const used = new Set([...above.used, ...usedBelow(lines, row, at)]);
  return value
    ? { path: above.path, key: value[3], typed: value[4], used }
    : { path: above.path, typed: found[3], used };
}

function dashesOf(space, dashes) {
  return [...dashes.matchAll(/-/g)].map(({ index }) => space.length + index);
}

/** What is above a mapping that begins at a column, and its keys that are above the line. */
function pathAbove(lines, row, { at, dashes }) {
  const path = [];
  const used = [];
  let inMapping = true; // else: in a list, whose dashes stand at `limit`
  let limit = at;
  let isOwn = true; // whether keys at `limit` are those of the mapping that was asked for
  const enter = (positions) => {
    for (const position of positions.toReversed()) {
      if (position >= limit) continue;
      path.unshift("[]");
      [limit, inMapping, isOwn] = [position, false, false];
    }
  };
  enter(dashes);
  for (let i = row - 1; i >= 0 && limit >= 0; i -= 1) {
    const line = parsed(lines[i]);
    if (!line) continue;
    const { key, column } = line;
    const isParent = key && (inMapping ? column < limit : isOutside(line, limit));
    if (inMapping && key && column === limit) {
      if (isOwn) used.push(key);
      enter(line.dashes);
    } else if (isParent) {
      path.unshift(key);
      [limit, inMapping, isOwn] = [column, true, false];
      enter(line.dashes);
    }
  }
  return { path, used };
}

/** Whether a line's key may hold a list whose dashes stand at a column. */
function isOutside({ column, dashes }, limit) {
  return column <= limit && !dashes.includes(limit);
}

function usedBelow(lines, row, at) {
  const used = [];
  for (const text of lines.slice(row + 1)) {
    const line = parsed(text);
    if (!line) continue;
    if (line.indent < at) break;
    if (line.key && line.column === at) used.push(line.key);
  }
  return used;
}

/** What a line begins with; null for a comment and for an empty one. */
function parsed(text) {
  if (/^\s*(?:#.*)?$/.test(text)) return null;
  const [, space, dashes, key] = LINE.exec(text);
  return {
    indent: space.length,
    dashes: dashesOf(space, dashes),
    column: space.length + dashes.length,
    key,
  };
}
