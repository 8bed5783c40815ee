// The templates that an automation calls in its midst, and those that it starts once it has ended.

import { h } from "../lib/dom.js";
import { visible } from "../lib/visible.js";
import { noticeBox } from "./problems.js";
import { stateBadge } from "./states.js";
import { t } from "../lib/language.js";

const AFTER = { success: t`after success`, failure: t`after failure` };
const KEYS = { success: "onSuccess", failure: "onFailure" };

export function chainView(chain) {
  return h(
    "section",
    {},
    h("h2", {}, t`Starts afterwards`),
    h("ul", { class: "jobs" }, chain.map(startView)),
  );
}

function startView({ event, template, state, reason, automation_id: id, automation_state: now }) {
  return h(
    "li",
    {},
    id ? h("a", { href: `/automations/${id}` }, template) : template,
    " ",
    h("span", { class: "muted" }, AFTER[event]),
    " ",
    now && stateBadge(now),
    state === "due" && t`about to start`,
    state === "not_due" && h("span", { class: "muted" }, t`– it ended otherwise`),
    state === "refused" && refusedView(reason),
  );
}

function refusedView(reason) {
  return h("p", { class: "muted" }, t`could not start: ${visible(reason)}`);
}

/**
 * What a phase has called, with what that has called itself; `called` are names, before there is
 * anything.
 */
export function calledView(called, calls) {
  if (calls.length > 0) return calledTree(calls);
  return called.length > 0 && h("p", { class: "called muted" }, t`calls ${called.join(", ")}`);
}

function calledTree(calls) {
  return h(
    "ul",
    { class: "called", "aria-label": t`Called templates` },
    calls.map(
      ({ template, state, reason, automation_id: id, automation_state: now, calls: below }) =>
        h(
          "li",
          {},
          id ? h("a", { href: `/automations/${id}` }, template) : template,
          " ",
          now && stateBadge(now),
          state === "due" && t`about to start`,
          state === "refused" && refusedView(reason),
          below.length > 0 && calledTree(below),
        ),
    ),
  );
}

/**
 * Which templates, in which versions and on which machines, an approval lets an automation call.
 */
export function boundCalls(calls) {
  return h(
    "ul",
    { class: "called" },
    calls.map(({ template, version, digest, calls: below, fan_out: fanOut }) =>
      h(
        "li",
        {},
        h("a", { href: `/templates/${template}?version=${version}` }, template),
        " ",
        t`version ${version}`,
        " ",
        h("code", { class: "muted small" }, digest),
        fanOut && h("p", {}, t`on each of ${visible(fanOut.members.map(machineText).join(", "))}`),
        below.length > 0 && boundCalls(below),
      ),
    ),
  );
}

function machineText({ name, target }) {
  return target ? `${name} (${target.user}@${target.host}:${target.port ?? 22})` : name;
}

/** How a call stands in a template: its name, its version and where its values come from. */
export function callText(call) {
  return t`Calls ${calledWith(call)}`;
}

function calledWith({ template, version, values = {} }) {
  const given = Object.entries(values).map(([name, source]) => `${name} = ${sourceText(source)}`);
  return [template, version && t`version ${version}`, given.length && t`with ${given.join(", ")}`]
    .filter(Boolean)
    .join(" ");
}

/** What is started once a template's automation has ended, a line for each. */
export function chainTexts(onSuccess, onFailure) {
  return [
    ...onSuccess.map((call) => t`After success it starts ${calledWith(call)}`),
    ...onFailure.map((call) => t`After failure it starts ${calledWith(call)}`),
  ];
}

function sourceText({ value, variable, output, secret }) {
  if (secret) return t`secret ${secret}`;
  if (output) return t`output ${output}`;
  return variable ? t`variable ${variable}` : JSON.stringify(value);
}

/** Return a notice for each of them that could not start. */
export function chainNotices(chain) {
  return chain
    .filter(({ state }) => state === "refused")
    .map(({ event, template, reason }) =>
      noticeBox(
        "bad",
        h("strong", {}, t`${KEYS[event]}: ${template} could not start:`),
        " ",
        visible(reason),
      ),
    );
}

function templatesOf(calls) {
  return visible(calls.map((call) => call.template).join(", "));
}

/** What an approved automation leads to beyond its own phases, as facts. */
export function startedAfterwards({ on_worker_lost: lost, on_success: good, on_failure: bad }) {
  return [
    lost === "requeue" && [t`If its worker is lost`, t`all of it runs again`],
    good.length > 0 && [t`On success starts`, templatesOf(good)],
    bad.length > 0 && [t`On failure starts`, templatesOf(bad)],
  ];
}
