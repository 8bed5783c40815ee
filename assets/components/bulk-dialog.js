// Doing the same with several items: what it means for which of them, and how each of them ended.

import { h, replace } from "../lib/dom.js";
import { number, plural, t } from "../lib/language.js";
import { note } from "./announcer.js";
import { ask } from "./dialogs.js";
import { icon } from "./icons.js";
import { problemText } from "./problems.js";

/**
 * Ask whether to do `action` with the items, each { item, name }, and do it one after the other; what
 * failed says why, and is tried again if the person likes. Of the action:
 *
 * `title(count)`, `explain(items)` and `verb` are what the dialog says; `refuses(item)` why it is not
 * done with one, or ""; `run(item)` does it and may say how it stands then; `said(count)` tells of those that it was done with;
 * `look` is that of its button, `nameOf(item)` what the item is called here, if not as in its list.
 * One that `isHarmless` is done without asking.
 *
 * `changed()` is called after each turn, `done()` once nothing is left to do.
 */
export function openBulk(action, chosen, { opener, changed, done }) {
  const rows = chosen.map(({ item, name }) => ({ item, name, why: action.refuses?.(item) || "" }));
  const wanted = rows.filter(({ why }) => !why);
  const state = new Map(rows.map((row) => [row, h("span", { class: "muted" }, row.why)]));
  let isOpen = true;
  const left = () => wanted.filter((row) => !row.isDone);

  const run = async () => {
    for (const row of left()) {
      if (!isOpen) break; // the person went back: what has not begun is left as it is
      show(state.get(row), "running", t`in progress`);
      try {
        const text = await action.run(row.item);
        row.isDone = true;
        show(state.get(row), "succeeded", text || t`done`);
      } catch (error) {
        show(state.get(row), "failed", problemText(error));
      }
    }
    changed();
    const count = wanted.length - left().length;
    if (count) note(resultText(action, count, rows.length));
    return left().length === 0;
  };

  opener.focus(); // where the dialog gives the focus back to
  ask({
    title: wanted.length ? action.title(wanted.length) : t`None of them can be`,
    content: [
      wanted.length > 0 && h("p", {}, action.explain(wanted.map(({ item }) => item))),
      h(
        "ul",
        { class: "bulk-items", tabindex: "0", "aria-label": t`What is chosen` },
        rows.map((row) => h("li", {}, h("span", {}, row.name), state.get(row))),
      ),
    ],
    actions: wanted.length ? [{ text: action.verb, look: action.look ?? "primary", run }] : [],
    closed: () => {
      isOpen = false;
      if (wanted.length && !left().length) done();
    },
  });
}

function show(place, symbol, text) {
  replace(place, icon(symbol), text);
}

function resultText(action, count, all) {
  const said = action.said(count);
  if (count === all) return said;
  const rest = plural(all - count, {
    one: t`1 was not`,
    other: t`${number(all - count)} were not`,
  });
  return `${said} ${rest}`;
}
