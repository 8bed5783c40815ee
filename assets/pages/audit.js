// The record of who did what, newest first: filtered, verified, exported.

import { busyWhile, button, buttonLink } from "../components/buttons.js";
import { ask } from "../components/dialogs.js";
import { formFilter } from "../components/filters.js";
import { emptyState, pageHeading } from "../components/headings.js";
import { column, List } from "../components/list.js";
import { noticeBox, problemBox, sentence } from "../components/problems.js";
import { addressOf, get } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { ago, exactTime } from "../lib/times.js";
import { visible } from "../lib/visible.js";

const FILTERS = [
  ["verb", "Did", { placeholder: "push" }],
  ["actor", "Who", { placeholder: "ada@example.com" }],
  ["resource", "To what", { placeholder: "templates/restart-web" }],
  ["since", "Since", { type: "date" }],
  ["until", "Before", { type: "date" }],
];

export function mount(root, { title, query }) {
  const page = new AbortController();
  const verdict = h("div", { role: "status" });
  const list = new List({
    label: title,
    endpoint: "/audit",
    columns: COLUMNS,
    look: "audit",
    show: (entry) => () => showEntry(entry),
    key: ({ seq }) => seq,
    filters: [formFilter({ label: "Filter the record", query, controls: FILTERS })],
    empty: (isNarrowed) => emptyState(isNarrowed ? "Nothing like this" : "Nothing yet"),
    signal: page.signal,
  });
  const verify = button("Verify", { onclick: () => busyWhile(verify, () => check(verdict, page)) });
  const download = buttonLink("Export", addressOf("/audit/export"), { download: "" });
  root.append(pageHeading(title, { actions: [verify, download] }), verdict, list.element);
  return () => page.abort();
}

async function check(verdict, { signal }) {
  replace(verdict, h("p", { class: "muted" }, "Verifying…"));
  try {
    replace(verdict, verdictBox(await get("/audit/verify", { signal })));
  } catch (error) {
    if (!signal.aborted) replace(verdict, problemBox(error));
  }
}

function verdictBox(found) {
  const facts = [
    `${found.entries} good entries`,
    `signed up to entry ${found.signed_to}`,
    found.removed_to > 0 && `removed by retention up to entry ${found.removed_to}`,
  ];
  const verdict = found.is_intact ? "The record is intact" : "The record is not as it was written";
  return noticeBox(
    found.is_intact ? "note" : "bad",
    h("strong", {}, verdict),
    !found.is_intact && h("p", {}, sentence(found.fault.message)),
    h("p", { class: "muted small" }, facts.filter(Boolean).join(", ")),
    h("p", { class: "muted small" }, `Key ${found.fingerprint}`),
  );
}

const COLUMNS = [
  column("When", ({ at }) => ago(at)),
  column("Who", ({ actor_name: name, actor_kind: kind }) => [
    visible(name),
    " ",
    kind !== "user" && h("span", { class: "fact" }, kind),
  ]),
  column("Did", ({ verb }) => h("strong", {}, visible(verb))),
  column(
    "To what",
    ({ resource, data }) => [
      h("code", {}, visible(resource)),
      h(
        "div",
        { class: "muted small" },
        pairsOf(data).map(([key, text]) => `${key} ${text}  `),
      ),
    ],
    { size: "grow" },
  ),
  column(
    "From",
    ({ channel, address }) =>
      h("span", { class: "muted" }, visible([channel, address].filter(Boolean).join(" "))),
    { isMinor: true },
  ),
];

/** What an entry says besides, as texts. */
function pairsOf(data) {
  const text = (value) => visible(typeof value === "string" ? value : JSON.stringify(value));
  return Object.entries(data)
    .filter(([, value]) => value !== null)
    .map(([key, value]) => [key, text(value)]);
}

function showEntry({ seq, at, actor_name: name, verb, resource, data }) {
  const pairs = pairsOf(data).map(([key, text]) => [
    h("dt", {}, key),
    h("dd", {}, h("code", {}, text)),
  ]);
  ask({
    title: `${visible(name)} · ${visible(verb)}`,
    content: [
      h("p", {}, resourceView(resource), h("br", {}), `${exactTime(at)}, entry ${seq}`),
      h("dl", { class: "values" }, pairs),
    ],
    actions: [],
    back: "Close",
    isWide: true,
  });
}

function resourceView(text) {
  const shown = h("code", {}, visible(text));
  const hasPage = /^(?:approvals|automations|templates)\/[\w-]+$/.test(text);
  return hasPage ? h("a", { href: `/${text}` }, shown) : shown;
}
