// Trying a template that is being written, without making it the version that everybody runs.

import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { ask } from "./dialogs.js";

const ENDING = "-trial";
const LONGEST = 63; // characters of a name
const NAME =
  /^(metadata:[ \t]*(?:\{[^}\n]*?\bname:[ \t]*|(?:#.*)?\n(?:[ \t]+.*\n)*?[ \t]+name:[ \t]*))(["']?)([a-z0-9-]+)\2/m;

/**
 * The text under a name of its own: { name, source }. Null where that is one already, or where it
 * does not say `name` in a way that is known here.
 */
export function trialOf(source, name) {
  const found = NAME.exec(source);
  if (found?.[3] !== name || name.endsWith(ENDING)) return null;
  const own = name.slice(0, LONGEST - ENDING.length) + ENDING;
  return { name: own, source: source.replace(NAME, `$1${own}`) };
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
