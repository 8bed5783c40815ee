// The record of who did what, newest first: filtered, verified, exported.

import { busyWhile, button, buttonLink } from "../components/buttons.js";
import { field, input } from "../components/fields.js";
import { emptyState, pageHeading } from "../components/headings.js";
import { noticeBox, problemBox, sentence } from "../components/problems.js";
import { apiAddress, get, withQuery } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { ago, exactTime } from "../lib/times.js";
import { visible } from "../lib/visible.js";

export function mount(root) {
  const page = new AbortController();
  const body = h("tbody", {});
  const trouble = h("div", {});
  const verdict = h("div", { role: "status" });
  const heads = ["When", "Who", "Did", "To what", "From"].map((text) =>
    h("th", { scope: "col" }, text),
  );
  const table = h("table", { class: "table audit" }, h("thead", {}, h("tr", {}, heads)), body);
  const more = button("Older", { hidden: true, onclick: () => load() });
  const filters = filterForm(() => restart());
  let cursor = "";
  let latest = 0; // a slow answer to earlier filters must not mix with the answer to these
  const restart = () => {
    cursor = "";
    replace(body);
    replace(trouble);
    more.hidden = true;
    return load();
  };
  const load = async () => {
    const mine = ++latest;
    try {
      const { items, next_cursor: next } = await get(
        withQuery("/audit", { ...filters.values(), cursor }),
        page,
      );
      if (mine !== latest) return;
      body.append(...items.map(row));
      cursor = next;
      more.hidden = !next;
      if (!body.children.length)
        replace(trouble, emptyState(filters.isSet() ? "Nothing like this" : "Nothing yet"));
    } catch (error) {
      if (!page.signal.aborted && mine === latest) replace(trouble, problemBox(error));
    }
  };
  const check = async () => {
    replace(verdict, h("p", { class: "muted" }, "Verifying…"));
    try {
      replace(verdict, verdictBox(await get("/audit/verify", page)));
    } catch (error) {
      if (!page.signal.aborted) replace(verdict, problemBox(error));
    }
  };
  const verify = button("Verify", { onclick: () => busyWhile(verify, check) });
  const download = buttonLink("Export", apiAddress("/audit/export"), { download: "" });
  root.append(
    pageHeading("Audit", { actions: [verify, download] }),
    verdict,
    filters.element,
    trouble,
    table,
    h("div", { class: "pager" }, more),
  );
  load();
  return () => page.abort();
}

/** The form above the list; `onChange` is called when other entries are wanted. */
function filterForm(onChange) {
  const controls = {
    verb: input({ placeholder: "push" }),
    actor: input({ placeholder: "ada@example.com" }),
    resource: input({ placeholder: "templates/restart-web" }),
    since: input({ type: "date" }),
    until: input({ type: "date" }),
  };
  const labels = {
    verb: "Did",
    actor: "Who",
    resource: "To what",
    since: "Since",
    until: "Before",
  };
  const fields = Object.entries(controls).map(([path, control]) =>
    field({ label: labels[path], path, control }),
  );
  const values = () =>
    Object.fromEntries(Object.entries(controls).map(([name, each]) => [name, each.value.trim()]));
  const onsubmit = (event) => {
    event.preventDefault();
    onChange();
  };
  const element = h(
    "form",
    { class: "audit-filters", role: "search", "aria-label": "Filter the record", onsubmit },
    fields.map((each) => each.element),
    button("Filter", { type: "submit" }),
  );
  return { element, values, isSet: () => Object.values(values()).some(Boolean) };
}

function verdictBox(found) {
  const facts = [
    `${found.entries} good entries`,
    `signed up to entry ${found.signed_to}`,
    found.removed_to > 0 && `removed by retention up to entry ${found.removed_to}`,
  ].filter(Boolean);
  return noticeBox(
    found.is_intact ? "note" : "bad",
    h(
      "strong",
      {},
      found.is_intact ? "The record is intact" : "The record is not as it was written",
    ),
    !found.is_intact && h("p", {}, sentence(found.fault.message)),
    h("p", { class: "muted small" }, facts.join(", ")),
    h("p", { class: "muted small" }, `Key ${found.fingerprint}`),
  );
}

function row(entry) {
  const details = Object.entries(entry.data).filter(([, value]) => value !== null);
  return h(
    "tr",
    {},
    h(
      "td",
      { dataset: { label: "When" } },
      ago(entry.at),
      h("div", { class: "muted small" }, exactTime(entry.at)),
    ),
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
            h(
              "span",
              {},
              `${key} `,
              h("code", {}, visible(typeof value === "string" ? value : JSON.stringify(value))),
            ),
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
  return /^(?:approvals|automations|templates)\/[\w-]+$/.test(text)
    ? h("a", { href: `/${text}` }, shown)
    : shown;
}
