// The parts of a log: which phase and which command printed a line, what is folded, and whether
// standard error is shown alone.

import { t } from "./language.js";

const STDERR = 2;

export class LogParts {
  /** Whether only what was printed to standard error is shown. */
  isErrorsOnly = false;
  #phases = [];
  /** Where in the log commands and failed attempts begin to print, in order. */
  #starts = [];
  #folded = new Set();
  #isAllFolded = false;

  /** Learn how far the phases are. True if parts begin elsewhere now, or are called otherwise. */
  describe(phases) {
    const starts = phases
      .flatMap(startsOf)
      .toSorted((a, b) => a.offset - b.offset)
      // of those that begin at the same place all but the last have printed nothing
      .filter(({ offset }, i, all) => offset !== all[i + 1]?.offset);
    const names = phases.map(({ name }) => name);
    const isOther =
      JSON.stringify([names, starts]) !== JSON.stringify([this.#phases, this.#starts]);
    this.#phases = names;
    this.#starts = starts;
    return isOther;
  }

  /** The heading above all that a phase has printed: { key, title }. */
  phaseHeading({ phase }) {
    return { key: String(phase), title: this.#phases[phase] ?? t`phase ${phase + 1}` };
  }

  /** The heading of a command above a line, if it begins there: { key, title, state }, or null. */
  headingAbove(line, previous) {
    if (line.kind !== "text" || this.isErrorsOnly || this.#has(line.phase)) return null;
    const start = this.#startOf(line);
    const isGoingOn = previous?.kind === "text" && this.#startOf(previous) === start;
    return isGoingOn ? null : start;
  }

  /** Whether a line is not shown. */
  isHidden(line) {
    return this.isLeftOut(line) || this.isFolded(line);
  }

  /** Whether a line is not shown as it was not printed to standard error. */
  isLeftOut({ kind, stream }) {
    return this.isErrorsOnly && kind === "text" && stream !== STDERR;
  }

  /** Whether a line is not shown as its phase or command is folded. */
  isFolded(line) {
    if (line.kind !== "text" || (!this.#isAllFolded && !this.#folded.size)) return false;
    const start = this.#startOf(line);
    return this.#has(line.phase) || (start !== null && !this.isErrorsOnly && this.isShut(start));
  }

  /** Whether what stands below a heading is folded. */
  isShut({ key }) {
    return this.#has(key);
  }

  /** Fold what stands below a heading, or unfold it. */
  toggle(key) {
    const isShut = this.#has(key);
    if (this.#isAllFolded) this.#unfoldOthers();
    if (isShut) this.#folded.delete(key);
    else this.#folded.add(key);
  }

  /** Fold every phase, or unfold all. */
  foldAll(isOn) {
    this.#isAllFolded = isOn;
    this.#folded.clear();
  }

  /** Unfold what hides a line. True if anything did. */
  reveal(line) {
    if (!this.isFolded(line)) return false;
    if (this.#isAllFolded) this.#unfoldOthers();
    this.#folded.delete(String(line.phase));
    this.#folded.delete(this.#startOf(line)?.key);
    return true;
  }

  #has(key) {
    return this.#folded.has(String(key)) || (this.#isAllFolded && !String(key).includes("."));
  }

  #unfoldOthers() {
    this.#isAllFolded = false;
    for (const phase of this.#phases.keys()) this.#folded.add(String(phase));
  }

  #startOf({ phase, offset }) {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#starts[middle].offset <= offset) low = middle + 1;
      else high = middle;
    }
    const start = this.#starts[low - 1];
    return start?.phase === phase ? start : null;
  }
}

/**
 * Where the attempts and commands of a phase begin; none where the phase's own heading says it all.
 */
function startsOf({ commands, failed_tries: tries }, phase) {
  if (commands.length < 2 && !tries.length) return [];
  const all = [
    ...tries.map(({ log_offset: offset }, i) => ({
      key: `${phase}.attempt-${i}`,
      phase,
      offset,
      title: t`attempt ${i + 1}`,
      state: "failed",
    })),
    ...commands.map(({ command, state, log_offset: offset }, i) => ({
      key: `${phase}.${i}`,
      phase,
      offset,
      title: command.trim().split("\n")[0],
      state,
    })),
  ];
  return all.filter(({ offset }) => offset !== null && offset !== undefined);
}
