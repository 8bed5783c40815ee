// Which version of which template last succeeded on which target: a row a target, a column a
// template. On a telephone a card a target.

import { h, replace } from "../lib/dom.js";
import { showList } from "../lib/keyed.js";
import { t } from "../lib/language.js";
import { pathOf } from "../lib/templates.js";
import { ago } from "../lib/times.js";
import { visible } from "../lib/visible.js";
import { behindFact, laterEnd, succeededVersion } from "./target-last-run.js";

/** A view for a `List` of what /target-last-runs gives. */
export function targetLastRuns(label) {
  const head = h("thead", { role: "rowgroup" });
  const body = h("tbody", { role: "rowgroup" });
  const table = h("table", { role: "table", "aria-label": label }, head, body);
  const frame = { class: "matrix", role: "region", tabindex: "0", "aria-label": label };
  const show = (items) => {
    const templates = templatesOf(items);
    replace(head, headOf(templates));
    const rows = items.map((item) => ({ ...item, names: templates.map(([name]) => name) }));
    showList(body, rows, ({ target }) => target, rowOf);
  };
  return { element: h("div", frame, table), body, show };
}

/** The templates that ran on any of them, by name, each with its newest version. */
function templatesOf(items) {
  const newest = items.flatMap(({ templates }) =>
    templates.map(({ template, latest_version: latest }) => [template, latest]),
  );
  return [...new Map(newest)].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function headOf(templates) {
  const cells = templates.map(([name, latest]) =>
    h(
      "th",
      { scope: "col", role: "columnheader" },
      h("a", { href: pathOf({ name }) }, visible(name)),
      h("div", { class: "muted small" }, t`newest: version ${latest}`),
    ),
  );
  const first = h("th", { scope: "col", role: "columnheader" }, t`Target`);
  return h("tr", { role: "row" }, first, cells);
}

function rowOf({ target, templates, names }) {
  const byName = new Map(templates.map((each) => [each.template, each]));
  const link = h("a", { href: `/targets/${target}` }, h("strong", {}, visible(target)));
  const nothing = !templates.length && h("div", { class: "muted small" }, t`nothing ran here`);
  return h(
    "tr",
    { role: "row" },
    h("th", { scope: "row", role: "rowheader" }, link, nothing),
    names.map((name) => cellOf(byName.get(name))),
  );
}

function cellOf(lastRun) {
  if (!lastRun) return h("td", { role: "cell", class: "is-empty" }, "–");
  const { template, succeeded } = lastRun;
  const later = laterEnd(lastRun);
  return h(
    "td",
    { role: "cell" },
    h("div", { class: "matrix-template" }, visible(template)),
    h("div", {}, succeededVersion(lastRun), behindFact(lastRun)),
    succeeded && h("div", { class: "muted small" }, ago(succeeded.ended_at)),
    later && h("div", {}, later),
  );
}
