// What has to do with a template beyond its own document: who may run it, who must agree, what
// starts it by itself, and the secrets that it is handed.

import { get, getAll } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { may } from "../lib/session.js";
import { exactTime, scheduleText } from "../lib/times.js";
import { visible } from "../lib/visible.js";
import { gateList } from "./approval-need.js";
import { loadInto } from "./loading.js";
import { noticeBox, sentence } from "./problems.js";
import { plural, t } from "../lib/language.js";
import { said } from "../lib/server-texts.js";

const MOST_PEOPLE = 12;

/** Sections with headings, each of which loads what it says; `need` is who must agree. */
export function templateContext(template, need, signal) {
  const part = (title, action, load, show) => {
    if (!may(action)) return null;
    const place = h("div", {});
    loadInto(place, signal, load, (found) => replace(place, show(found)));
    return [h("h2", {}, title), place];
  };
  const { name } = template;
  return [
    h("h2", {}, t`Who must agree`),
    agreeing(template, need),
    part(t`Who may run it`, "users.view", () => runners(name, signal), runnersView),
    part(t`Schedules`, "schedules.view", () => ofTemplate("/schedules", name, signal), schedules),
    part(t`Triggers`, "triggers.view", () => ofTemplate("/triggers", name, signal), triggers),
    secretsPart(template, part, signal),
  ];
}

function agreeing({ needs_mfa: needsCode }, need) {
  return [
    !need.is_needed && h("p", { class: "muted" }, t`Nobody is asked.`),
    need.problem && noticeBox("warn", h("p", {}, sentence(need.problem))),
    need.policy && h("p", {}, policyText(need.policy)),
    need.gates?.length > 0 && gateList(need.gates),
    needsCode && h("p", {}, t`Whoever runs it shows a fresh code of their authenticator app.`),
  ];
}

function policyText(name) {
  const link = h("a", { href: "/policies" }, name);
  return t`By the policy ${link}:`;
}

function runners(name, signal) {
  return get("/templates/{name}/runners", { path: { name }, query: { limit: 200 }, signal });
}

function runnersView({ items, next_cursor: more }) {
  const shown = items.slice(0, MOST_PEOPLE);
  const left = items.length - shown.length;
  const others =
    left > 0 ? plural(left, { one: t`and 1 other`, other: t`and ${left} others` }) : "";
  const rest = more ? t`and others` : others;
  if (!items.length) return muted(t`Nobody.`);
  return h(
    "ul",
    { class: "facts-list" },
    shown.map((person) =>
      h(
        "li",
        {},
        h("span", { title: person.email }, visible(person.name || person.email)),
        h("span", { class: "muted small" }, visible(said(person.why))),
      ),
    ),
    rest && h("li", { class: "muted" }, rest),
  );
}

async function ofTemplate(endpoint, name, signal) {
  const all = await getAll(endpoint, { query: { limit: 200 }, signal });
  return all.filter(({ template }) => template === name);
}

function schedules(found) {
  if (!found.length) return muted(t`None.`);
  return list(found, "/schedules", (schedule) => [
    scheduleText(schedule),
    schedule.next_at ? t`next ${exactTime(schedule.next_at)}` : schedule.state,
  ]);
}

function triggers(found) {
  if (!found.length) return muted(t`None.`);
  return list(found, "/triggers", ({ verify, state }) => [
    verify.replaceAll("_", " "),
    state === "active" ? "" : state,
  ]);
}

function list(items, href, facts) {
  return h(
    "ul",
    { class: "facts-list" },
    items.map((item) =>
      h(
        "li",
        {},
        h("a", { href }, visible(item.name)),
        h("span", { class: "muted small" }, visible(facts(item).filter(Boolean).join(" · "))),
      ),
    ),
  );
}

/** Nobody is told of other secrets than those that the document names. */
function secretsPart(template, part, signal) {
  const names = secretNames(template);
  if (!names.length) return [h("h2", {}, t`Secrets`), muted(t`None.`)];
  const show = (there) =>
    list(
      names.map((name) => ({ name })),
      "/secrets",
      ({ name }) => [there.has(name) ? "" : t`is not there yet`],
    );
  const load = async () => {
    const found = await getAll("/secrets", { query: { limit: 200 }, signal });
    return new Set(found.map(({ name }) => name));
  };
  const plain = [
    h("h2", {}, t`Secrets`),
    h(
      "p",
      {},
      names.map((name) => h("code", { class: "fact" }, name)),
    ),
  ];
  return part(t`Secrets`, "secrets.view", load, show) ?? plain;
}

/** Those that phases are handed, and those that are handed on to called templates. */
function secretNames({ plan = [], phases, on_success: then = [], on_failure: or = [] }) {
  const all = [...plan, ...phases];
  const calls = [...all.flatMap((phase) => phase.calls ?? []), ...then, ...or];
  const passed = calls.flatMap(({ values = {} }) => Object.values(values));
  const names = [
    ...all.flatMap((phase) => phase.secrets ?? []),
    ...passed.map(({ secret }) => secret).filter(Boolean),
  ];
  return [...new Set(names)].toSorted();
}

function muted(text) {
  return h("p", { class: "muted" }, text);
}
