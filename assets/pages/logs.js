// Searching the logs of all automations, the newest first; what is found leads to its line.

import { chipsFilter, formFilter } from "../components/filters.js";
import { emptyState, pageHeading } from "../components/headings.js";
import { List } from "../components/list.js";
import { spanFilter } from "../components/span-filter.js";
import { get } from "../lib/api.js";
import { sizeText } from "../lib/bytes.js";
import { h } from "../lib/dom.js";
import { number, t } from "../lib/language.js";
import { ago, exactTime } from "../lib/times.js";
import { visible } from "../lib/visible.js";

const FIELDS = [
  ["text", t`Text`, { type: "search", placeholder: t`connection refused` }],
  ["template", t`Template`, { placeholder: t`any, by its whole name` }],
];
const WAYS = [
  { value: "", content: t`any case` },
  { value: "case", content: t`exact case` },
  { value: "regex", content: t`regular expression` },
];
const OPTIONS = { "": { ignore_case: "true" }, case: {}, regex: { regex: "true" } };

export function mount(root, { title, query }) {
  const page = new AbortController();
  const progress = h("p", { class: "muted small", role: "status" });
  const above = h("a", { href: "/automations" }, t`Automations`);
  const list = new List({
    label: t`Lines found`,
    load: searching(progress, page.signal),
    key: ({ automation_id: id, line }) => `${id}:${line}`,
    look: "rows found-lines",
    row,
    filters: [
      formFilter({ label: t`Search the logs`, query, controls: FIELDS, send: t`Search` }),
      chipsFilter({ name: "way", label: t`How`, value: query.get("way"), choices: WAYS }),
      spanFilter(query, [{ link: above, path: "/automations" }]),
    ],
    empty: () =>
      soughtText()
        ? emptyState(t`No line matches`)
        : emptyState(
            t`What do you look for?`,
            h("p", {}, t`Of each automation that you may see, the log of its newest attempt.`),
          ),
    signal: page.signal,
  });
  root.append(pageHeading(title, { above }), list.element);
  list.element.append(progress);
  return () => page.abort();
}

/** The text that the address asks for, if any. */
function soughtText() {
  return new URLSearchParams(location.search).get("text");
}

/** What loads a page of lines. It goes on for as long as the address asks for the same. */
function searching(progress, signal) {
  let total = null;
  let searched = 0;
  return async ({ text, way, ...query }) => {
    if (!query.cursor) [total, searched, progress.textContent] = [null, 0, ""];
    if (!text || soughtText() !== text) return { items: [], next_cursor: "" };
    const found = await get("/logs/search", {
      query: { ...query, ...OPTIONS[way], text },
      signal,
    });
    total = found.total_bytes ?? total;
    searched += found.searched_bytes;
    progress.textContent = progressText(searched, total, found);
    return found;
  };
}

function progressText(searched, total, { searched_back_to: to, missing_bytes: missing, ...found }) {
  const looked =
    total === null
      ? t`Searched ${sizeText(searched)}`
      : t`Searched ${sizeText(searched)} of ${sizeText(total)}`;
  const back = found.next_cursor && to && t`back to what was triggered ${exactTime(to)}`;
  const all = [looked, back].filter(Boolean).join(", ");
  return missing ? t`${all}; ${sizeText(missing)} are missing from the server.` : `${all}.`;
}

function row({ automation_id: id, template, line, at, text, start, end }) {
  const characters = [...text]; // the server counts whole characters
  const part = (from, to) => visible(characters.slice(from, to).join(""));
  return h(
    "li",
    { class: "row" },
    h(
      "div",
      { class: "row-main" },
      h(
        "a",
        { class: "row-title", href: `/automations/${id}#L${line}`, dataset: { focus: id + line } },
        t`${template}, line ${number(line)}`,
      ),
      h(
        "code",
        { class: "found-line" },
        part(0, start),
        h("mark", {}, part(start, end)),
        part(end),
      ),
    ),
    h("div", { class: "row-facts row-side" }, ago(at)),
  );
}
