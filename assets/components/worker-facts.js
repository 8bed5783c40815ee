// What is said of a worker, in the list of workers and on its own page, and what is done with it.

import { post } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { may, whoAmI } from "../lib/session.js";
import { ago, now } from "../lib/times.js";
import { visible } from "../lib/visible.js";
import { busyWhile, button } from "./buttons.js";
import { confirm } from "./dialogs.js";
import { number, plural, t } from "../lib/language.js";

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

/** The page of a worker; that of a revoked one by its id, as another may have its name. */
export function workerPath({ id, name, state }) {
  return `/workers/${encodeURIComponent(state === "revoked" ? id : name)}`;
}

/** Whether the person may drain or revoke it. */
export function mayChange({ state, is_shared: isShared }) {
  return state !== "revoked" && may(isShared ? "server.manage" : "workers.manage");
}

/** By what it keeps the limits of phases that have no image. */
export function limitsBy({ limits_by: { subprocess: by } }) {
  return by && [" · ", t`limits by ${visible(by)}`];
}

/** What it was granted decides what it gets; what it only says of itself is shown apart. */
export function workerLabels({ labels: said, granted_labels: granted }) {
  const fact = ([key, value]) => h("code", { class: "fact" }, visible(`${key}=${value}`));
  const only = Object.entries(said).filter(([key, value]) => granted[key] !== value);
  return h(
    "div",
    { class: "worker-labels" },
    Object.entries(granted).map(fact),
    only.length > 0 && [
      h("span", { class: "row-facts" }, " ", t`only says of itself:`, " "),
      only.map(fact),
    ],
  );
}

/** What is said of it beside its name: whose it is, and whether it is of another version than the server. */
export function kindFacts(worker) {
  const { is_shared: isShared, is_ephemeral: isEphemeral, program_version: version } = worker;
  const fact = (text) => h("span", { class: "fact" }, text);
  return [
    isShared && fact(t`shared`),
    isEphemeral && fact(t`ephemeral`),
    worker.is_behind
      ? fact(t`version ${visible(version)} is behind the server’s, ${serverVersion()}`)
      : isOtherVersion(version) &&
        fact(t`version ${visible(version)}, the server has ${serverVersion()}`),
  ];
}

function isOtherVersion(version) {
  return Boolean(version && serverVersion() && version !== serverVersion());
}

function serverVersion() {
  return whoAmI()?.server_version;
}

/** Whether it is there, and takes work. */
export function presence(worker) {
  if (worker.state === "revoked") return h("span", { class: "presence is-revoked" }, t`revoked`);
  if (!worker.is_connected) return h("span", { class: "presence is-away" }, t`not connected`);
  if (worker.withheld) return h("span", { class: "presence is-away" }, t`gets no work`);
  return worker.state === "draining"
    ? h("span", { class: "presence is-draining" }, t`draining`)
    : h("span", { class: "presence is-here" }, t`connected`);
}

/** How many of its slots are busy. */
export function slots({ busy, slots: count }) {
  const shown = Math.min(count, 16);
  const boxes = Array.from({ length: shown }, (_, i) =>
    h("span", { class: i < (busy / count) * shown ? "slot is-busy" : "slot" }),
  );
  return h(
    "div",
    { class: "slots" },
    h("span", { class: "slot-bar", "aria-hidden": "true" }, boxes),
    h("span", {}, t`${busy} of ${count} slots busy`),
  );
}

/** Until when it can show who it is. */
export function certificate(worker) {
  return h("span", {}, t`certificate runs out ${certificateEnd(worker)}`);
}

/** When its certificate runs out. */
export function certificateEnd({ certificate_expires_at: expires }) {
  const isSoon = Date.parse(expires) - now() < SOON_MS;
  return h("span", { class: isSoon ? "bad-text" : null }, ago(expires));
}

/** Draining several in a list, and having them take work again, for its `bulk`. */
export const DRAIN_SEVERAL = [
  {
    text: t`Drain…`,
    verb: t`Drain`,
    title: (count) =>
      plural(count, { one: t`Drain 1 worker?`, other: t`Drain ${number(count)} workers?` }),
    explain: () => t`They finish what they run and take no more, until you let them again.`,
    refuses: (worker) => (worker.state === "draining" ? t`drains already` : notYours(worker)),
    run: (worker) => changeWorker(worker, "drain"),
    said: (count) =>
      plural(count, { one: t`1 worker drains.`, other: t`${number(count)} workers drain.` }),
  },
  {
    text: t`Take work again…`,
    verb: t`Take work again`,
    title: (count) =>
      plural(count, {
        one: t`Have 1 worker take work again?`,
        other: t`Have ${number(count)} workers take work again?`,
      }),
    explain: () => t`What waits for a worker begins on them at once.`,
    refuses: (worker) => (worker.state === "draining" ? notYours(worker) : t`does not drain`),
    run: (worker) => changeWorker(worker, "undrain"),
    said: (count) =>
      plural(count, {
        one: t`1 worker takes work again.`,
        other: t`${number(count)} workers take work again.`,
      }),
  },
];

function notYours(worker) {
  return mayChange(worker) ? "" : t`belongs to the server`;
}

async function changeWorker({ id, is_shared: isShared }, verb) {
  await post((isShared ? SHARED : OWN)[verb], { path: { worker: id } });
}

/** Draining and revoking it; `changed` is called afterwards. */
export function workerActions(worker, changed) {
  const change = (verb) => async () => {
    await changeWorker(worker, verb);
    changed();
  };
  const drain = () =>
    confirm({
      title: t`Drain ${worker.name}?`,
      text: t`It finishes what it runs and takes no more, until you let it again.`,
      action: t`Drain`,
      look: "primary",
      run: change("drain"),
    });
  const revoke = () =>
    confirm({
      title: t`Revoke ${worker.name}?`,
      text: worker.busy
        ? t`It is shut out at once and for good. What it runs now can no longer be followed and becomes “unknown”.`
        : t`It is shut out at once and for good. To come back it must join anew.`,
      action: t`Revoke for good`,
      run: change("revoke"),
    });
  const undrain = (event) => busyWhile(event.currentTarget, change("undrain"));
  return [
    worker.state === "draining"
      ? button(t`Take work again`, { look: "quiet", onclick: undrain })
      : button(t`Drain…`, { look: "quiet", onclick: drain }),
    button(t`Revoke…`, { look: "quiet", onclick: revoke }),
  ];
}
