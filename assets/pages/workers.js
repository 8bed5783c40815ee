// The fleet: who is there, who is busy, and how to get one more.

import { button, buttonLink } from "../components/buttons.js";
import { versionsFilter } from "../components/fleet-versions.js";
import { emptyState, pageHeading } from "../components/headings.js";
import { heldQueue } from "../components/held-queue.js";
import { openJoinDialog } from "../components/join-worker.js";
import { List } from "../components/list.js";
import { queueLimitsLine } from "../components/queue-limits.js";
import { sharedWorkersLine } from "../components/shared-workers.js";
import {
  certificate,
  DRAIN_SEVERAL,
  limitsBy,
  kindFacts,
  mayChange,
  presence,
  slots,
  workerActions,
  workerLabels,
  workerPath,
} from "../components/worker-facts.js";
import { getAll } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { plural, t } from "../lib/language.js";
import { setQuery } from "../lib/router.js";
import { said } from "../lib/server-texts.js";
import { may } from "../lib/session.js";
import { ago } from "../lib/times.js";
import { visible } from "../lib/visible.js";

/** `?add=own` opens what shows how one more joins. */
export function mount(root, { title, query }) {
  const page = new AbortController();
  const gone = h("details", { class: "gone", hidden: true });
  const versions = versionsFilter({ value: query.get("version") ?? "" });
  const list = new List({
    label: title,
    load: () => load({ gone, versions }, page),
    filters: [versions],
    fits: versions.fits,
    look: "cards",
    row: (worker, _, box) => card(worker, list, box),
    bulk: may("workers.manage") ? DRAIN_SEVERAL : [],
    empty: nothingYet,
    isLive: true,
    signal: page.signal,
  });
  const join = [
    may("workers.manage") && buttonLink(t`Join tokens`, "/join-tokens"),
    may("server.manage") &&
      button(t`Add a shared worker…`, { name: "plus", onclick: () => openJoinDialog(true) }),
    may("workers.manage") && addButton(),
  ];
  root.append(
    pageHeading(title, { beside: list.mark, actions: join }),
    may("server.manage") ? heldQueue(page) : "",
    list.element,
    gone,
    sharedWorkersLine(page),
    queueLimitsLine(page),
  );
  if (query.get("add") && may("workers.manage")) {
    setQuery({});
    openJoinDialog(false);
  }
  return () => page.abort();
}

/** Those that may work; the revoked ones are told of in `gone`. */
async function load({ gone, versions }, { signal }) {
  const options = { query: { all: true }, signal };
  const shared = may("server.manage") ? await getAll("/server/workers", options) : [];
  const workers = [...(await getAll("/workers", options)), ...shared];
  const revoked = workers.filter((worker) => worker.state === "revoked");
  gone.hidden = !revoked.length;
  replace(gone, h("summary", {}, t`${revoked.length} revoked`), h("ul", {}, revoked.map(goneRow)));
  const items = workers.filter((worker) => worker.state !== "revoked");
  versions.offer(items);
  return { items, next_cursor: "" };
}

function goneRow(worker) {
  const seen = h("span", { class: "muted" }, " · ", seenText(worker));
  return h("li", {}, h("a", { href: workerPath(worker) }, visible(worker.name)), seen);
}

function seenText({ last_seen_at: at }) {
  return at ? t`last seen ${ago(at)}` : t`never seen`;
}

function card(worker, list, box) {
  const isGone = !worker.is_connected;
  return h(
    "li",
    { class: `card worker ${isGone ? "is-away" : ""}` },
    h(
      "div",
      { class: "worker-head" },
      box,
      h("h2", {}, h("a", { href: workerPath(worker) }, visible(worker.name)), kindFacts(worker)),
      presence(worker),
    ),
    worker.withheld &&
      h("p", { class: "bad-text" }, t`It is given no work: ${visible(said(worker.withheld))}.`),
    worker.unknown_jobs.length > 0 &&
      h(
        "p",
        { class: "bad-text" },
        plural(worker.unknown_jobs.length, {
          one: t`It holds 1 job that this server has never heard of.`,
          other: t`It holds ${worker.unknown_jobs.length} jobs that this server has never heard of.`,
        }),
      ),
    slots(worker),
    workerLabels(worker),
    h(
      "p",
      { class: "row-facts" },
      h(
        "span",
        { class: "worker-kind" },
        t`version ${visible(worker.program_version) || "?"}`,
        " · ",
        worker.runtimes.length > 0 ? t`runs ${worker.runtimes.join(", ")}` : t`runs nothing`,
        limitsBy(worker),
        worker.formats.length > 0 && [" · ", t`formats ${worker.formats.join(", ")}`],
      ),
      isGone && [seenText(worker), " · "],
      certificate(worker),
    ),
    mayChange(worker) && h("div", { class: "worker-actions" }, workerActions(worker, list.reload)),
  );
}

function nothingYet() {
  if (!may("workers.manage"))
    return emptyState(
      t`No workers yet`,
      h(
        "p",
        {},
        t`A worker carries out automations. They wait until an operator or an admin adds one.`,
      ),
    );
  return emptyState(
    t`No workers yet`,
    h(
      "p",
      {},
      t`A worker carries out automations where their targets are. It needs only a way out to this server: nothing has to reach it.`,
    ),
    addButton(),
  );
}

function addButton() {
  return button(t`Add a worker…`, {
    look: "primary",
    name: "plus",
    onclick: () => openJoinDialog(false),
  });
}
