// Where two lists of lines differ, as a unified diff without its heads.

const CONTEXT = 2;

/** The diff; "" where they are the same. It takes as many steps as one is long times the other. */
export function lineDiff(before, after) {
  const common = longestCommon(before, after);
  const lines = [];
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      lines.push(` ${before[i++]}`);
      j++;
    } else if (j >= after.length || (i < before.length && common[i + 1][j] >= common[i][j + 1]))
      lines.push(`-${before[i++]}`);
    else lines.push(`+${after[j++]}`);
  }
  return withoutFarSame(lines).join("\n");
}

/** How many lines the rests have in common, from each pair of places on. */
function longestCommon(before, after) {
  const common = Array.from({ length: before.length + 1 }, () => new Uint16Array(after.length + 1));
  for (let i = before.length - 1; i >= 0; i--)
    for (let j = after.length - 1; j >= 0; j--)
      common[i][j] =
        before[i] === after[j]
          ? common[i + 1][j + 1] + 1
          : Math.max(common[i + 1][j], common[i][j + 1]);
  return common;
}

/** Lines that are the same stay where a different one is near; "@@" stands for the others. */
function withoutFarSame(lines) {
  const isNear = lines.map(() => false);
  for (const [i, line] of lines.entries()) {
    if (line.startsWith(" ")) continue;
    const end = Math.min(lines.length - 1, i + CONTEXT);
    for (let near = Math.max(0, i - CONTEXT); near <= end; near++) isNear[near] = true;
  }
  if (!isNear.includes(true)) return [];
  return lines.flatMap((line, i) => {
    if (isNear[i]) return [line];
    return isNear[i + 1] ? ["@@"] : [];
  });
}
