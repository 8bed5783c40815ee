// Which of many things a few typed letters mean.

/**
 * How well `text` answers to `typed`: 0 if not at all. Every word that is typed has to be in it;
 * where a word begins with it counts more, and most at the very beginning.
 */
export function matchScore(text, typed) {
  const lower = text.toLowerCase();
  let score = 1;
  for (const word of typed.toLowerCase().split(/\s+/).filter(Boolean)) {
    const at = lower.indexOf(word);
    if (at < 0) return 0;
    score += at === 0 ? 4 : startsWord(lower, word) ? 2 : 1;
  }
  return score;
}

function startsWord(text, word) {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1))
    if (!/[\p{L}\p{N}]/u.test(text[at - 1] ?? " ")) return true;
  return false;
}

/** The best `most` of `items` by what `textOf` gives, best first and otherwise in their order. */
export function bestMatches(items, typed, { textOf, most }) {
  return items
    .map((item) => ({ item, score: matchScore(textOf(item), typed) }))
    .filter(({ score }) => score > 0)
    .toSorted((a, b) => b.score - a.score)
    .slice(0, most)
    .map(({ item }) => item);
}
