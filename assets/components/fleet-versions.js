// Which versions of Opsicle the workers run, each a chip that narrows the list to those.

import { h } from "../lib/dom.js";
import { showList } from "../lib/keyed.js";
import { number, plural, t } from "../lib/language.js";
import { whoAmI } from "../lib/session.js";
import { visible } from "../lib/visible.js";

/**
 * A filter of a list of workers (see filters.js) by version. `offer(workers)` says which there are;
 * where all run the server's there is nothing to choose, and nothing is shown.
 */
export function versionsFilter({ value = "" }) {
  let chosen = value;
  let offered = [];
  let changed = () => {};
  const element = h("div", { class: "chips", role: "group", "aria-label": t`Versions` });
  const choose = (version) => {
    chosen = chosen === version ? "" : version;
    draw();
    changed();
  };
  const chip = (group) => {
    const { version, isChosen } = group;
    const state = { "aria-pressed": String(isChosen), dataset: { focus: `version-${version}` } };
    const onclick = () => choose(version);
    return h("button", { type: "button", class: "chip", onclick, ...state }, textOf(group));
  };
  const draw = () => {
    const groups = offered.map((each) => ({ ...each, isChosen: each.version === chosen }));
    showList(element, groups, ({ version }) => version, chip);
    element.hidden = !chosen && offered.every(({ version }) => version === serverVersion());
  };
  const offer = (workers) => {
    offered = groupsOf(workers);
    if (!offered.some(({ version }) => version === chosen)) chosen = "";
    draw();
  };
  const fits = ({ program_version: version }) => !chosen || version === chosen;
  const values = () => ({ version: chosen });
  draw();
  return { element, values, fits, offer, listen: (listener) => (changed = listener) };
}

/** The versions, those behind the server's first, with how many workers run each. */
function groupsOf(workers) {
  const groups = new Map();
  for (const { program_version: version, is_behind: isBehind } of workers) {
    if (!version) continue;
    const { count } = groups.get(version) ?? { count: 0 };
    groups.set(version, { version, isBehind, count: count + 1 });
  }
  const byName = [...groups.values()].toSorted((one, other) =>
    one.version.localeCompare(other.version, "en", { numeric: true }),
  );
  return byName.toSorted((one, other) => other.isBehind - one.isBehind);
}

function textOf({ version, isBehind, count }) {
  const workers = plural(count, { one: t`1 worker`, other: t`${number(count)} workers` });
  return [visible(version), " · ", workers, versionStatus(version, isBehind)];
}

function versionStatus(version, isBehind) {
  if (isBehind) return [" · ", h("strong", {}, t`behind the server`)];
  return version === serverVersion() && [" · ", t`as the server`];
}

function serverVersion() {
  return whoAmI()?.server_version;
}
