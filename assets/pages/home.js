// Where everybody begins: what waits for them, what runs, what has failed, and how things go.

import { buttonLink } from "../components/buttons.js";
import { firstSteps } from "../components/first-steps.js";
import { pageHeading } from "../components/headings.js";
import {
  approvalRow,
  failedRow,
  panel,
  runningRow,
  templateRow,
  workerRow,
} from "../components/home-panels.js";
import { recentRuns } from "../components/last-runs.js";
import { keepFresh } from "../components/live.js";
import { get, getAll } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { lastErrorLines } from "../lib/log-excerpts.js";
import { may } from "../lib/session.js";
import { now } from "../lib/times.js";

const DAY_MS = 24 * 3_600_000;
const SHOWN = 8; // of each; the pages behind have them all
const MOST_PAGES = 5; // looked at for a list that leaves something out
const LOOKED_AT = 100; // failures of each kind, so that what fails again and again hides no other
const ENDED_BADLY = ["failed", "timed_out", "unknown"];

export function mount(root, { title }) {
  const page = new AbortController();
  const trouble = h("div", {});
  const panels = makePanels();
  const steps = firstSteps();
  const lines = new Map(); // the last line of each automation that has failed: it stays so
  const load = async () => {
    const found = await loadAll(page.signal, lines);
    for (const [name, each] of Object.entries(panels)) each.show(found[name], SHOWN);
    steps.show(found.done);
  };
  const { mark } = keepFresh(load, { trouble, signal: page.signal });
  const run = may("automations.create") && may("templates.view");
  root.append(
    pageHeading(title, {
      beside: mark,
      actions: run && buttonLink("Run a template", "/templates", { name: "run" }),
    }),
    trouble,
    steps.element,
    h(
      "div",
      { class: "home" },
      column(panels.waiting, panels.running, panels.failed),
      column(panels.workers, panels.templates),
    ),
  );
  return () => page.abort();
}

function column(...panels) {
  const shown = panels.filter(Boolean).map(({ element }) => element);
  return h("div", { class: "home-column" }, shown);
}

function makePanels() {
  const all = {
    waiting: may("approvals.view") && {
      title: "Waits for you",
      row: approvalRow,
      nothing: "Nothing waits for your decision.",
      more: ["All approvals", "/approvals"],
    },
    running: may("automations.view") && {
      title: "Running now",
      row: runningRow,
      nothing: "Nothing runs just now.",
      more: ["All automations", "/automations"],
    },
    failed: may("automations.view") && {
      title: "Failed since yesterday",
      row: failedRow,
      key: ({ template, state }) => `${template} ${state}`,
      nothing: "Nothing has failed since yesterday.",
      more: ["All failures", "/automations?state=failed"],
    },
    templates: may("templates.view") && {
      title: "Last 30 runs",
      row: templateRow,
      key: ({ name }) => name,
      nothing: "Nothing has run yet.",
      more: ["All templates", "/templates"],
    },
    workers: may("workers.view") && {
      title: "Workers",
      row: workerRow,
      nothing: "No worker has joined yet.",
      more: ["All workers", "/workers"],
    },
  };
  const given = Object.entries(all).filter(([, options]) => options);
  return Object.fromEntries(given.map(([name, { title, ...how }]) => [name, panel(title, how)]));
}

async function loadAll(signal, lines) {
  const [waiting, running, failed, templates, workers, others] = await Promise.all([
    allowed("approvals.view", () => inbox(signal)),
    allowed("automations.view", () => underWay(signal)),
    allowed("automations.view", () => failures(signal, lines)),
    allowed("templates.view", () => templatesWithRuns(signal)),
    allowed("workers.view", () => getAll("/workers", { signal })),
    stepsTaken(signal),
  ]);
  const ran = templates.filter(({ runs }) => runs.length > 0);
  const latest = ran.toSorted((a, b) => (a.runs[0].created_at < b.runs[0].created_at ? 1 : -1));
  const done = {
    ...others,
    worker: workers.length > 0,
    template: templates.length > 0,
    run: ran.some(({ runs }) => runs.some(({ state }) => state === "succeeded")),
  };
  const fleet = workers.toSorted((a, b) => isWell(a) - isWell(b)); // who is away is seen first
  return { waiting, running, failed, templates: latest.slice(0, SHOWN), workers: fleet, done };
}

function isWell({ is_connected: isHere, withheld }) {
  return isHere && !withheld;
}

async function allowed(action, load) {
  return may(action) ? load() : [];
}

async function inbox(signal) {
  return (await get("/approvals", { query: { whose: "inbox", limit: SHOWN }, signal })).items;
}

async function newest(query, signal) {
  return (await wholes({ ...query, limit: SHOWN }, signal)).items;
}

/**
 * A page of automations without the parts of what runs on several machines, as that stands there
 * itself. Where these fill a page the next one is looked at, a few times.
 */
async function wholes(query, signal) {
  const items = [];
  let cursor = "";
  for (let pages = 0; pages < MOST_PAGES && items.length < query.limit; pages += 1) {
    const page = await get("/automations", { query: { ...query, cursor }, signal });
    items.push(...page.items.filter(({ target }) => !target));
    cursor = page.next_cursor;
    if (!cursor) break;
  }
  return { items, next_cursor: cursor };
}

async function underWay(signal) {
  const states = ["running", "paused", "queued"];
  const found = await Promise.all(states.map((state) => newest({ state }, signal)));
  return found.flat().slice(0, SHOWN);
}

/**
 * What has ended badly within a day, newest first: of each template the newest of a kind, with the
 * last line that it printed and how many more there are.
 */
async function failures(signal, lines) {
  const since = new Date(now() - DAY_MS).toISOString();
  const query = { since, limit: LOOKED_AT };
  const found = await Promise.all(ENDED_BADLY.map((state) => wholes({ ...query, state }, signal)));
  const hasOlder = new Set(ENDED_BADLY.filter((_, i) => found[i].next_cursor));
  const all = found.flatMap(({ items }) => items).toSorted((a, b) => (a.id < b.id ? 1 : -1));
  const groups = Object.values(Object.groupBy(all, (each) => `${each.template} ${each.state}`));
  return Promise.all(
    groups.map(async ([latest, ...more], i) => ({
      ...latest,
      more: more.length && `${more.length}${hasOlder.has(latest.state) ? "+" : ""}`,
      line: i < SHOWN ? await lineOf(latest, signal, lines) : null,
    })),
  );
}

async function lineOf({ id, started_at: at }, signal, lines) {
  if (!at) return null; // it has printed nothing
  if (!lines.has(id)) {
    try {
      lines.set(id, (await lastErrorLines(id, 1, { signal })).at(-1) ?? null);
    } catch (error) {
      if (error.status !== 410) throw error; // its log has been removed
      lines.set(id, null);
    }
  }
  return lines.get(id);
}

async function templatesWithRuns(signal) {
  const [templates, runs] = await Promise.all([
    getAll("/templates", { signal }),
    allowed("automations.view", () => recentRuns({ signal })),
  ]);
  const of = new Map(runs);
  return templates.map(({ name, display_name: title }) => ({
    name,
    title: title || name,
    runs: of.get(name) ?? [],
  }));
}

/** Which of the steps on a new server have been taken, of those that only some people see. */
async function stepsTaken(signal) {
  const [users, channels] = await Promise.all([
    allowed("users.manage", () => getAll("/users", { signal })),
    allowed("channels.manage", () => getAll("/channels", { signal })),
  ]);
  return { person: users.length > 1, channel: channels.length > 0 };
}
