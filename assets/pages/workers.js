// The fleet: who is there, who is busy, and how to get one more.

import { busyWhile, button } from "../components/buttons.js";
import { confirm } from "../components/dialogs.js";
import { emptyState, pageHeading } from "../components/headings.js";
import { heldQueue } from "../components/held-queue.js";
import { openJoinDialog } from "../components/join-worker.js";
import { List } from "../components/list.js";
import { queueLimitsLine } from "../components/queue-limits.js";
import { sharedWorkersLine } from "../components/shared-workers.js";
import { getAll, post } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { may } from "../lib/session.js";
import { ago } from "../lib/times.js";
import { visible } from "../lib/visible.js";

const OWN = {
  drain: "/workers/{worker}/drain",
  undrain: "/workers/{worker}/undrain",
  revoke: "/workers/{worker}/revoke",
};
const SHARED = {
  drain: "/server/workers/{worker}/drain",
  undrain: "/server/workers/{worker}/undrain",
  revoke: "/server/workers/{worker}/revoke",
};
const SOON_MS = 24 * 3_600_000; // a certificate of 7 days is renewed at half its life: by then something is wrong

export function mount(root, { title }) {
  const page = new AbortController();
  const gone = h("details", { class: "gone", hidden: true });
  const list = new List({
    label: title,
    load: () => load(gone, page),
    look: "cards",
    row: (worker) => card(worker, list),
    empty: nothingYet,
    isLive: true,
    signal: page.signal,
  });
  const join = [
    may("workers.manage") && addButton(),
    may("server.manage") &&
      button("Add a shared worker…", { name: "plus", onclick: () => openJoinDialog(true) }),
  ];
  root.append(
    pageHeading(title, { beside: list.mark, actions: join }),
    may("server.manage") ? heldQueue(page) : "",
    list.element,
    gone,
    sharedWorkersLine(page),
    queueLimitsLine(page),
  );
  return () => page.abort();
}

/** Those that may work; the revoked ones are told of in `gone`. */
async function load(gone, { signal }) {
  const options = { query: { all: true }, signal };
  const shared = may("server.manage") ? await getAll("/server/workers", options) : [];
  const workers = [...(await getAll("/workers", options)), ...shared];
  const revoked = workers.filter((worker) => worker.state === "revoked");
  gone.hidden = !revoked.length;
  replace(gone, h("summary", {}, `${revoked.length} revoked`), h("ul", {}, revoked.map(goneRow)));
  return { items: workers.filter((worker) => worker.state !== "revoked"), next_cursor: "" };
}

function goneRow(worker) {
  const seen = h("span", { class: "muted" }, " · last seen ", ago(worker.last_seen_at, "never"));
  return h("li", {}, visible(worker.name), seen);
}

function card(worker, list) {
  const isGone = !worker.is_connected;
  return h(
    "li",
    { class: `card worker ${isGone ? "is-away" : ""}` },
    h(
      "div",
      { class: "worker-head" },
      h("h2", {}, visible(worker.name), worker.is_shared && h("span", { class: "fact" }, "shared")),
      presence(worker),
    ),
    worker.withheld &&
      h("p", { class: "bad-text" }, "It is given no work: ", visible(worker.withheld), "."),
    worker.unknown_jobs.length > 0 &&
      h(
        "p",
        { class: "bad-text" },
        `It holds ${worker.unknown_jobs.length} jobs that this server has never heard of.`,
      ),
    slots(worker),
    labels(worker),
    h(
      "p",
      { class: "row-facts" },
      `version ${visible(worker.version) || "?"} · runs ${worker.runtimes.join(", ") || "nothing"}`,
      limitsBy(worker),
      worker.formats.length > 0 && ` · formats ${worker.formats.join(", ")}`,
      h("br", {}),
      isGone && ["last seen ", ago(worker.last_seen_at, "never"), " · "],
      certificate(worker),
    ),
    may(worker.is_shared ? "server.manage" : "workers.manage") &&
      h("div", { class: "worker-actions" }, actions(worker, list)),
  );
}

/** By what it keeps the limits of phases that have no image. */
function limitsBy({ limits_by: { subprocess: by } }) {
  return by && ` · limits by ${visible(by)}`;
}

/** What it was granted decides what it gets; what it only says of itself is shown apart. */
function labels({ labels: said, granted_labels: granted }) {
  const fact = ([key, value]) => h("code", { class: "fact" }, visible(`${key}=${value}`));
  const only = Object.entries(said).filter(([key, value]) => granted[key] !== value);
  return h(
    "div",
    { class: "worker-labels" },
    Object.entries(granted).map(fact),
    only.length > 0 && [
      h("span", { class: "row-facts" }, " only says of itself: "),
      only.map(fact),
    ],
  );
}

function presence(worker) {
  if (!worker.is_connected) return h("span", { class: "presence is-away" }, "not connected");
  if (worker.withheld) return h("span", { class: "presence is-away" }, "gets no work");
  return worker.state === "draining"
    ? h("span", { class: "presence is-draining" }, "draining")
    : h("span", { class: "presence is-here" }, "connected");
}

function slots({ busy, slots: count }) {
  const shown = Math.min(count, 16);
  const boxes = Array.from({ length: shown }, (_, i) =>
    h("span", { class: i < (busy / count) * shown ? "slot is-busy" : "slot" }),
  );
  return h(
    "div",
    { class: "slots" },
    h("span", { class: "slot-bar", "aria-hidden": "true" }, boxes),
    h("span", {}, `${busy} of ${count} slots busy`),
  );
}

function certificate({ certificate_expires_at: expires }) {
  const isSoon = Date.parse(expires) - Date.now() < SOON_MS;
  return h("span", { class: isSoon ? "bad-text" : null }, "certificate runs out ", ago(expires));
}

function actions(worker, list) {
  const path = { worker: worker.id };
  const change = (verb) => async () => {
    const endpoint = worker.is_shared ? SHARED[verb] : OWN[verb];
    await post(endpoint, { path });
    list.reload();
  };
  const drain = () =>
    confirm({
      title: `Drain ${worker.name}?`,
      text: "It finishes what it runs and takes no more, until you let it again.",
      action: "Drain",
      look: "primary",
      run: change("drain"),
    });
  const revoke = () =>
    confirm({
      title: `Revoke ${worker.name}?`,
      text: worker.busy
        ? "It is shut out at once and for good. What it runs now can no longer be followed and becomes “unknown”."
        : "It is shut out at once and for good. To come back it must join anew.",
      action: "Revoke for good",
      run: change("revoke"),
    });
  const undrain = (event) => busyWhile(event.currentTarget, change("undrain"));
  return [
    worker.state === "draining"
      ? button("Take work again", { look: "quiet", onclick: undrain })
      : button("Drain…", { look: "quiet", onclick: drain }),
    button("Revoke…", { look: "quiet", onclick: revoke }),
  ];
}

function nothingYet() {
  if (!may("workers.manage"))
    return emptyState("No workers yet", h("p", {}, "Automations wait until an operator adds one."));
  return emptyState(
    "No workers yet",
    h(
      "p",
      {},
      "A worker carries out automations where their targets are. It needs only a way out to this server: nothing has to reach it.",
    ),
    addButton(),
  );
}

function addButton() {
  return button("Add a worker…", {
    look: "primary",
    name: "plus",
    onclick: () => openJoinDialog(false),
  });
}
