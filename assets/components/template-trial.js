// Trying a template that is being written, without making it the version that everybody runs.

import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { ask } from "./dialogs.js";

const ENDING = "-trial";
const LONGEST = 63; // characters of a name
const IN_BRACES =
  /^(metadata:[ \t]*\{(?:[^{}"'\n]*?,)?[ \t]*name:[ \t]*)(["']?)([a-z0-9-]+)\2(?![^\s,}])/m;
const IN_LINE = /^([ \t]+name:[ \t]*)(["']?)([a-z0-9-]+)\2(?!\S)/;

/**
 * The text under a name of its own: { name, source }. Null where that is one already, or where it
 * does not say `name` in a way that is known here.
 */
export function trialOf(source, name) {
  if (name.endsWith(ENDING)) return null;
  const own = name.slice(0, LONGEST - ENDING.length) + ENDING;
  const renamed = (text, pattern) =>
    pattern.exec(text)?.[3] === name ? text.replace(pattern, `$1${own}`) : null;

  const lines = source.split("\n");
  const at = nameLine(lines);
  const line = at < 0 ? null : renamed(lines[at], IN_LINE);
  const found = at < 0 ? renamed(source, IN_BRACES) : line && lines.with(at, line).join("\n");
  return found && { name: own, source: found };
}

/** Which line says the name in the block of `metadata`, and no label of that name; -1 if none. */
function nameLine(lines) {
  const begin = lines.findIndex((line) => /^metadata:[ \t]*(#.*)?$/.test(line)) + 1;
  const end = lines.findIndex((line, at) => at >= begin && /^[^\s#]/.test(line));
  const block = begin ? lines.slice(begin, end < 0 ? undefined : end) : [];
  const indent = /^[ \t]+(?=[^\s#])/.exec(block.find((line) => /^[ \t]+[^\s#]/.test(line)))?.[0];
  const at = block.findIndex((line) => line.startsWith(`${indent}name:`));
  return at < 0 ? -1 : begin + at;
}

/** Ask as what the template of this name is to be tried: as its next version, or apart from it. */
export function askToTry({ name, trial, asVersion, apart }) {
  ask({
    title: t`Try the template ${name}?`,
    content: [
      h(
        "p",
        {},
        t`Pushed as a version of ${name}, it is what everybody, schedules and triggers run from then on.`,
      ),
      h("p", {}, t`As ${trial.name} it is a template of its own, to be deleted afterwards.`),
    ],
    actions: [
      { text: t`Push and try`, run: asVersion },
      { text: t`Try as ${trial.name}`, look: "primary", run: apart },
    ],
  });
}
