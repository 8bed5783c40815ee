// The record of who did what, newest first: as sentences, narrowed, verified in this browser,
// exported.

import {
  circumstances,
  entryName,
  rawEntry,
  reasonOf,
  sentenceOf,
} from "../components/audit-sentences.js";
import { busyWhile, button, buttonLink } from "../components/buttons.js";
import { ask, opensWith } from "../components/dialogs.js";
import { formFilter } from "../components/filters.js";
import { emptyState, pageHeading } from "../components/headings.js";
import { column, List, remark } from "../components/list.js";
import { noticeBox, problemBox, sentence } from "../components/problems.js";
import { spanFilter } from "../components/span-filter.js";
import { addressOf, ApiError, get } from "../lib/api.js";
import { BrokenRecord, verifyRecord } from "../lib/audit-verification.js";
import { h, replace } from "../lib/dom.js";
import { number, t } from "../lib/language.js";
import { queryText } from "../lib/query.js";
import { whoAmI } from "../lib/session.js";
import { canVerify } from "../lib/signatures.js";
import { remember, remembered } from "../lib/storage.js";
import { ago, today } from "../lib/times.js";
import { visible } from "../lib/visible.js";

const FILTERS = [
  ["verb", t`Did`, { placeholder: "push, approve" }],
  ["actor", t`Who`, { placeholder: "ada@example.com" }],
  ["resource", t`To what`, { placeholder: "templates/restart-web" }],
];

/** What people look for most, as parameters of the address. */
const QUICK = [
  [t`All`, () => ({})],
  [t`Today`, () => ({ since: today() })],
  [t`Mine`, () => ({ actor: whoAmI().user.email })],
  [t`Runs`, () => ({ verb: "run,cancel,finish" })],
  [t`Decisions`, () => ({ verb: "approve,reject,withdraw,expire,escalate" })],
  [t`Changes`, () => ({ verb: "create,update,delete,push,rotate,grant_labels" })],
  [t`Logins`, () => ({ verb: "login,logout,step_up" })],
  [t`Refusals`, () => ({ verb: "refuse,refuse_login,refuse_totp,refuse_order,refuse_enrol" })],
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
    showNamed: (seq) => opensWith(() => entryOf(seq), showEntry),
    key: ({ seq }) => seq,
    filters: [
      formFilter({ label: t`Filter the record`, query, controls: FILTERS }),
      spanFilter(query),
    ],
    empty: (isNarrowed) => emptyState(isNarrowed ? t`Nothing like this` : t`Nothing yet`),
    signal: page.signal,
  });
  const verify = button(t`Verify`, {
    onclick: () => busyWhile(verify, () => check(verdict, page)),
  });
  const download = buttonLink(t`Export`, addressOf("/audit/export"), { download: "" });
  root.append(
    pageHeading(title, {
      actions: [verify, download],
      below: h(
        "p",
        { class: "muted" },
        t`All that was done here: none of it can be changed unnoticed.`,
      ),
    }),
    verdict,
    quickFilters(query),
    list.element,
  );
  return () => page.abort();
}

function quickFilters(query) {
  const asked = queryText(Object.fromEntries(query));
  return h(
    "nav",
    { class: "chips quick-filters", "aria-label": t`What is looked for most` },
    QUICK.map(([text, parameters]) => {
      const wanted = queryText(parameters());
      const current = wanted === asked ? "page" : null;
      return h("a", { class: "chip", href: `/audit${wanted}`, "aria-current": current }, text);
    }),
  );
}

const COLUMNS = [
  column(t`When`, ({ at }) => ago(at)),
  column(
    t`What happened`,
    (entry) => {
      const reason = reasonOf(entry);
      return [h("span", {}, sentenceOf(entry)), reason && remark(reason)];
    },
    { size: "grow" },
  ),
  column(t`Verb`, ({ verb }) => h("code", { class: "muted" }, visible(verb)), { isMinor: true }),
  column(
    t`From`,
    ({ channel, address }) =>
      h("span", { class: "muted" }, visible([channel, address].filter(Boolean).join(" "))),
    { isMinor: true },
  ),
];

/** The entry of this number, wherever it stands in the record. */
async function entryOf(seq) {
  const query = { cursor: String(Number(seq) + 1), limit: 1 };
  const [entry] = (await get("/audit", { query })).items;
  if (String(entry?.seq) !== seq) throw new ApiError({ title: t`There is no entry ${seq}` });
  return entry;
}

function showEntry(entry) {
  const reason = reasonOf(entry);
  ask({
    title: entryName(entry),
    content: [
      h("p", { class: "lead" }, sentenceOf(entry, { hasLinks: true }), "."),
      reason && h("p", {}, reason),
      h("p", { class: "muted" }, circumstances(entry)),
      h(
        "details",
        { open: true },
        h("summary", {}, t`As it stands in the record`),
        rawEntry(entry),
      ),
    ],
    actions: [],
    back: t`Close`,
    isWide: true,
  });
}

/** Check the record here, where this browser can, so that nobody has to take the server's word. */
async function check(verdict, { signal }) {
  const progress = (entries) =>
    replace(verdict, h("p", { class: "muted" }, t`Verifying… ${number(entries)} entries`));
  progress(0);
  try {
    if (await canVerify()) {
      const found = await verifyRecord({ signal, progress });
      replace(verdict, goodBox(found, t`in this browser`, keyText(found.fingerprint)));
    } else replace(verdict, serversVerdict(await get("/audit/verify", { signal })));
  } catch (error) {
    if (signal.aborted) return;
    replace(verdict, error instanceof BrokenRecord ? badBox(error.message) : problemBox(error));
  }
}

function serversVerdict({ is_intact: isIntact, fault, ...found }) {
  if (!isIntact) return badBox(faultText(fault));
  const { entries, removed_to: removedTo, signed_to: signedTo, fingerprint } = found;
  const where = t`by the server, as this browser cannot`;
  return goodBox({ entries, removedTo, signedTo }, where, t`Key ${fingerprint}`);
}

function faultText({ message, epoch, seq }) {
  return epoch > 1 ? `${message} (${entryName({ epoch, seq })})` : message;
}

function goodBox({ entries, removedTo, signedTo }, where, key) {
  const facts = [
    t`${number(entries)} good entries`,
    t`signed up to entry ${signedTo}`,
    removedTo > 0 && t`removed by retention up to entry ${removedTo}`,
  ];
  return noticeBox(
    "note",
    h("strong", {}, t`The record is intact`),
    h("p", {}, t`Checked ${where}: ${facts.filter(Boolean).join(", ")}.`),
    h("p", { class: "muted small" }, key),
  );
}

function badBox(fault) {
  return noticeBox(
    "bad",
    h("strong", {}, t`The record is not as it was written`),
    h("p", {}, sentence(fault)),
  );
}

/** Whether it is the key by which this browser has verified the record before. */
function keyText(fingerprint) {
  const name = `audit-key.${whoAmI().org.code}`;
  const before = remembered(name, null);
  if (!before) remember(name, fingerprint);
  if (before && before !== fingerprint)
    return t`Key ${fingerprint}: another one than when this browser verified it before, ${before}.`;
  return before ? t`Key ${fingerprint}, as before` : t`Key ${fingerprint}`;
}
