// How many of the org's automations may run and wait, and its admin's say in that.

import { get, patch } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { may, whoAmI } from "../lib/session.js";
import { button } from "./buttons.js";
import { askForm } from "./dialogs.js";
import { field, input } from "./fields.js";
import { loadInto } from "./loading.js";

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
  return button("Change the limits…", { look: "quiet", onclick: () => openLimits(org, done) });
}

function openLimits({ code, max_running: running, max_waiting: waiting }, done) {
  const fields = [
    limitField("How many run at once", "max_running", running, 10_000),
    limitField("How many wait", "max_waiting", waiting, 100_000),
  ];
  const [most, mostWaiting] = fields.map(({ control }) => control);
  askForm({
    title: `Limits of ${code}`,
    fields,
    send: () =>
      patch("/orgs/{org}", {
        path: { org: code },
        body: { max_running: numberOf(most), max_waiting: numberOf(mostWaiting) },
      }),
    action: "Set the limits",
    look: "primary",
    done,
  });
}

function limitField(label, path, value, max) {
  const control = input({ type: "number", min: 1, max, value: value ?? "" });
  return field({ label, control, path, help: "Empty: any number." });
}

function numberOf({ value }) {
  return value === "" ? null : Number(value);
}

function text({ code, max_running: running, max_waiting: waiting }) {
  const says = [
    running ? `At most ${running} automations of ${code} run at once` : "",
    waiting ? `at most ${waiting} wait` : "",
  ].filter(Boolean);
  const limits = says.length ? `${says.join(", ")}.` : `Any number of ${code}’s automations run.`;
  return h("p", { class: "muted" }, limits[0].toUpperCase() + limits.slice(1));
}
