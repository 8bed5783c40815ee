// How many of the org's automations may run and wait, what its logs may take, and its admin's say
// in that.

import { get, patch } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { may, whoAmI } from "../lib/session.js";
import { button } from "./buttons.js";
import { askForm } from "./dialogs.js";
import { field, input } from "./fields.js";
import { loadInto } from "./loading.js";
import { t } from "../lib/language.js";

/** A line below the fleet that says what the limits are, and changes them. */
export function queueLimitsLine({ signal }) {
  const path = { org: whoAmI().org.code };
  const line = h("div", { class: "part" });
  const reload = () =>
    loadInto(
      line,
      signal,
      () => get("/orgs/{org}", { path, signal }),
      (org) => replace(line, text(org), may("orgs.manage") && changeButton(org, reload)),
    );
  reload();
  return line;
}

function changeButton(org, done) {
  return button(t`Change the limits…`, { look: "quiet", onclick: () => openLimits(org, done) });
}

const AS_SERVER = t`Empty: as the server has it, which this cannot exceed.`;
const LIMITS = [
  ["max_running", t`How many run at once`, 10_000],
  ["max_waiting", t`How many wait`, 100_000],
  ["log_retention_days", t`For how many days logs are kept`, 36_500, AS_SERVER],
  ["max_log_mib", t`How many MiB the logs take`, 1_073_741_824, AS_SERVER],
];

function openLimits({ code, ...org }, done) {
  const fields = LIMITS.map(([path, label, max, help]) =>
    limitField(label, path, org[path], max, help),
  );
  askForm({
    title: t`Limits of ${code}`,
    fields,
    send: () =>
      patch("/orgs/{org}", {
        path: { org: code },
        body: Object.fromEntries(fields.map(({ path, control }) => [path, numberOf(control)])),
      }),
    action: t`Set the limits`,
    look: "primary",
    done,
  });
}

function limitField(label, path, value, max, help = t`Empty: any number.`) {
  const control = input({ type: "number", min: 1, max, value: value ?? "" });
  return field({ label, control, path, help });
}

function numberOf({ value }) {
  return value === "" ? null : Number(value);
}

function text({ code, max_running: running, max_waiting: waiting, ...org }) {
  const says = [
    running ? t`At most ${running} automations of ${code} run at once` : "",
    waiting ? t`at most ${waiting} wait` : "",
    org.log_retention_days ? t`logs are kept for ${org.log_retention_days} days` : "",
    org.max_log_mib ? t`logs take at most ${org.max_log_mib} MiB` : "",
  ].filter(Boolean);
  const limits = says.length ? `${says.join(", ")}.` : t`Any number of ${code}’s automations run.`;
  return h("p", { class: "muted" }, limits[0].toUpperCase() + limits.slice(1));
}
