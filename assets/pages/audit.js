// The record of who did what, newest first.

import { button } from "../components/buttons.js";
import { emptyState, pageHeading } from "../components/headings.js";
import { problemBox } from "../components/problems.js";
import { get, withQuery } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { ago, exactTime } from "../lib/times.js";
import { visible } from "../lib/visible.js";

export function mount(root) {
  const page = new AbortController();
  const body = h("tbody", {});
  const trouble = h("div", {});
  const heads = ["When", "Who", "Did", "To what", "From"].map((text) => h("th", { scope: "col" }, text));
  const table = h("table", { class: "table audit" }, h("thead", {}, h("tr", {}, heads)), body);
  const more = button("Older", { hidden: true, onclick: () => load() });
  let cursor = "";
  const load = async () => {
    try {
      const { items, next_cursor: next } = await get(withQuery("/audit", { cursor }), page);
      body.append(...items.map(row));
      cursor = next;
      more.hidden = !next;
      if (!body.children.length) replace(trouble, emptyState("Nothing has been done yet"));
    } catch (error) {
      if (!page.signal.aborted) replace(trouble, problemBox(error));
    }
  };
  root.append(pageHeading("Audit"), trouble, table, h("div", { class: "pager" }, more));
  load();
  return () => page.abort();
}

function row(entry) {
  const details = Object.entries(entry.data).filter(([, value]) => value !== null);
  return h(
    "tr",
    {},
    h("td", { dataset: { label: "When" } }, ago(entry.at), h("div", { class: "muted small" }, exactTime(entry.at))),
    h(
      "td",
      { dataset: { label: "Who" } },
      visible(entry.actor_name),
      " ",
      entry.actor_kind !== "user" && h("span", { class: "fact" }, entry.actor_kind),
    ),
    h("td", { dataset: { label: "Did" } }, h("strong", {}, visible(entry.verb))),
    h(
      "td",
      { dataset: { label: "To what" } },
      resource(entry.resource),
      details.length > 0 &&
        h(
          "div",
          { class: "audit-data" },
          details.map(([key, value]) =>
            h("span", {}, `${key} `, h("code", {}, visible(typeof value === "string" ? value : JSON.stringify(value)))),
          ),
        ),
    ),
    h(
      "td",
      { class: "muted", dataset: { label: "From" } },
      visible([entry.channel, entry.address].filter(Boolean).join(" ")),
    ),
  );
}

function resource(text) {
  const shown = h("code", {}, visible(text));
  return /^(?:automations|templates)\/[\w-]+$/.test(text) ? h("a", { href: `/${text}` }, shown) : shown;
}
