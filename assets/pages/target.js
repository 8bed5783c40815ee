// One target: where it is, how it shows itself, as whom jobs log in, and how that has changed.

import { button } from "../components/buttons.js";
import { confirm } from "../components/dialogs.js";
import { pageHeading } from "../components/headings.js";
import { behindFact, laterEnd, succeededVersion } from "../components/target-last-run.js";
import { column, List } from "../components/list.js";
import { loadInto } from "../components/loading.js";
import { pairs } from "../components/pairs.js";
import { sourceView } from "../components/source.js";
import { stateBadge } from "../components/states.js";
import { labelFacts, openPushTarget } from "../components/target-form.js";
import { get, post, remove } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { navigate } from "../lib/router.js";
import { may } from "../lib/session.js";
import { pathOf } from "../lib/templates.js";
import { ago, durationText } from "../lib/times.js";
import { visible } from "../lib/visible.js";

export function mount(root, { name }) {
  const page = new AbortController();
  const content = h("div", {}, pageHeading(name));
  root.append(content);
  const load = () => {
    const ask = () => get("/targets/{target}", { path: { target: name }, signal: page.signal });
    loadInto(content, page.signal, ask, (target) => {
      replace(
        content,
        heading(target, load),
        h(
          "div",
          { class: "sections" },
          facts(target),
          may("automations.view") && [lastRuns(target, page), runs(target, page)],
          history(target, page),
        ),
      );
      content.querySelector("h1").focus({ preventScroll: true });
    });
  };
  load();
  return () => page.abort();
}

function heading(target, reload) {
  const { name, source } = target;
  const change = () => openPushTarget(source, reload);
  const end = () =>
    confirm({
      title: t`Delete ${name}?`,
      text: t`Nothing runs on it any more. What was to run on it and has not begun will not.`,
      action: t`Delete the target`,
      run: () => remove("/targets/{target}", { path: { target: name } }),
      done: () => navigate("/targets"),
    });
  const pusher = visible(target.pushed_by.name || target.pushed_by.email);
  return pageHeading(name, {
    above: h("a", { href: "/targets" }, t`Targets`),
    actions: [
      may("targets.use") && checkButton(name),
      may("targets.manage") && button(t`Delete…`, { look: "quiet", onclick: end }),
      may("targets.manage") && button(t`Change…`, { look: "primary", onclick: change }),
    ],
    below: [
      target.description && h("p", { class: "lead" }, visible(target.description)),
      h(
        "p",
        { class: "muted" },
        t`version ${target.version}, pushed by ${pusher} ${ago(target.pushed_at)}`,
      ),
    ],
  });
}

/** Leads to the automation in which a worker logs in, and does nothing else. */
function checkButton(name) {
  const check = () =>
    confirm({
      title: t`Check ${name}?`,
      text: t`A worker that reaches it logs in, asks who it is there, and does nothing else.`,
      action: t`Check`,
      look: "primary",
      run: () => post("/targets/{target}/check", { path: { target: name } }),
      done: ({ id }) => navigate(`/automations/${id}`),
    });
  return button(t`Check…`, { onclick: check });
}

function facts(target) {
  const rows = [
    [t`Host`, h("code", {}, visible(target.host))],
    [t`Port`, String(target.port)],
    [t`User`, visible(target.user)],
    [t`Private key`, secretText(target.secret)],
    [t`Labels`, Object.keys(target.labels).length ? labelFacts(target.labels) : t`none`],
    [t`Workers that reach it`, workers(target)],
    [
      t`Host keys`,
      target.host_keys.map(({ key, fingerprint }) =>
        h("div", {}, `${key.split(" ")[0]} `, h("code", {}, visible(fingerprint))),
      ),
    ],
  ];
  const source = h("section", {}, h("h2", {}, t`Source`), sourceView(target.source));
  return h("div", { class: "columns" }, h("section", {}, pairs(rows, "facts")), source);
}

function secretText(name) {
  const shown = h("code", {}, visible(name));
  return t`the secret ${shown}`;
}

function workers({ runs_on: labels, runs_on_where: where }) {
  const isAny = !Object.keys(labels).length && !where;
  if (isAny) return t`any worker of the org`;
  const rule = where && h("code", { class: "fact" }, visible(where));
  return t`those with ${[labelFacts(labels), rule].filter(Boolean)}`;
}

/** A template's version is what is looked for here; how each run went stands below. */
function lastRuns({ name }, { signal }) {
  const list = new List({
    label: t`Versions of templates on it`,
    load: async () => {
      const found = await get("/target-last-runs", { query: { target: name }, signal });
      return { items: found.items[0].templates, next_cursor: "" };
    },
    columns: [
      column(t`Template`, ({ template }) =>
        h("a", { href: pathOf({ name: template }) }, visible(template)),
      ),
      column(t`Version`, (each) => [succeededVersion(each), " ", behindFact(each)], { label: "" }),
      column(t`Succeeded`, ({ succeeded }) => (succeeded ? ago(succeeded.ended_at) : "–")),
      column(t`Since then`, (each) => laterEnd(each) || "–", { card: "line" }),
    ],
    key: ({ template }) => template,
    empty: () => h("p", { class: "muted" }, t`No template ran on it yet.`),
    signal,
  });
  return h("section", {}, h("h2", {}, t`Versions of templates on it`), list.element);
}

function runs({ name }, { signal }) {
  const list = new List({
    label: t`Automations`,
    load: (query) =>
      get("/targets/{target}/automations", { path: { target: name }, query, signal }),
    columns: [
      column(t`State`, ({ state }) => stateBadge(state)),
      column(t`Template`, ({ template }) => visible(template), { size: "grow" }),
      column(t`Triggered`, ({ created_at: at }) => ago(at)),
      column(t`Took`, ({ seconds }) => (seconds === null ? "–" : durationText(seconds * 1000)), {
        isNumber: true,
      }),
    ],
    link: ({ id }) => `/automations/${id}`,
    nameOf: ({ id }) => id,
    empty: () => h("p", { class: "muted" }, t`Nothing ran on it yet.`),
    signal,
  });
  return h("section", {}, h("h2", {}, t`What ran on it`), list.element);
}

function history({ name }, { signal }) {
  const list = new List({
    label: t`Versions`,
    load: (query) => get("/targets/{target}/versions", { path: { target: name }, query, signal }),
    columns: [
      column(t`Version`, ({ version }) => h("strong", {}, t`version ${version}`)),
      column(t`Host`, ({ host, port }) => h("code", {}, visible(`${host}:${port}`))),
      column(t`User`, ({ user }) => visible(user)),
      column(t`Private key`, ({ secret }) => h("code", {}, visible(secret))),
      column(t`Pushed`, ({ pushed_at: at }) => ago(at), { card: "line" }),
      column(t`By`, ({ pushed_by: person }) => visible(person.name || person.email), {
        card: "none",
      }),
    ],
    key: ({ version }) => version,
    signal,
  });
  return h("section", {}, h("h2", {}, t`Versions`), list.element);
}
