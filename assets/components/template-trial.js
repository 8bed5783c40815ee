// Trying a template that is being written, without making it the version that everybody runs.

import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { ask } from "./dialogs.js";

const ENDING = "-trial";
const LONGEST = 63; // characters of a name
const MOST = 8; // places that may be the template's name

/** Whether a template is there to be tried only, and may get a version without a question. */
export function isTrial(name) {
  return name.endsWith(ENDING);
}

/**
 * The text under a name of its own: { name, source }. Null where that cannot be made. A label can
 * be called `name` too, so `nameOf(source)` says which name a text gives: the server's word for it.
 */
export async function trialOf(source, name, nameOf) {
  const own = name.slice(0, LONGEST - ENDING.length) + ENDING;
  const place = new RegExp(`(?<=\\bname["']?\\s*:\\s*["']?)${name}(?![\\w-])`, "g");
  for (const { index } of [...source.matchAll(place)].slice(0, MOST)) {
    const changed = source.slice(0, index) + own + source.slice(index + name.length);
    if ((await nameOf(changed)) === own) return { name: own, source: changed };
  }
  return null;
}

/**
 * Ask as what the template of this name is to be tried: as its next version, or apart from it,
 * where `trial` says how.
 */
export function askToTry({ name, trial, asVersion, apart }) {
  const hint = trial
    ? t`As ${trial.name} it is a template of its own, to be deleted afterwards.`
    : t`To try it apart from that, give it another name under “metadata” first: its name was not found in the text.`;
  ask({
    title: t`Try the template ${name}?`,
    content: [
      h(
        "p",
        {},
        t`Pushed as a version of ${name}, it is what everybody, schedules and triggers run from then on.`,
      ),
      h("p", {}, hint),
    ],
    actions: [
      { text: t`Push and try`, run: asVersion },
      trial && { text: t`Try as ${trial.name}`, look: "primary", run: apart },
    ].filter(Boolean),
  });
}
