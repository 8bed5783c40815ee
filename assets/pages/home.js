// Where everybody begins: what waits for them, what runs, what has failed, and how things go.

import { buttonLink } from "../components/buttons.js";
import { firstSteps } from "../components/first-steps.js";
import { pageHeading } from "../components/headings.js";
import {
  approvalRow,
  failedRow,
  panel,
  runningRow,
  templateHeads,
  templateRow,
  workerRow,
} from "../components/home-panels.js";
import { recentRuns, RUNS_LISTED } from "../components/last-runs.js";
import { keepFresh, refreshesWhileRunning } from "../components/live.js";
import { get, getAll } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { may, whoAmI } from "../lib/session.js";
import { now } from "../lib/times.js";

const DAY_MS = 24 * 3_600_000;
const SHOWN = 8; // of each; the pages behind have them all
const FAILURES_SHOWN = 4; // each takes two requests mostly, and a first load makes 30
const MOST_PAGES = 5; // looked at for a list that leaves something out
const NAMES_MS = 60_000; // how long titles of templates, and who is there, are taken for known
const REST_MS = 2_000; // after each look, however much changes meanwhile
const UNDER_WAY = "running,paused,queued";
const ENDED_BADLY = ["failed", "timed_out", "unknown"];
const NO_FAILURE = t`Nothing has failed since yesterday.`;

export function mount(root, { title }) {
  const page = new AbortController();
  const trouble = h("div", {});
  const panels = makePanels();
  const steps = firstSteps();
  const known = new Known(page.signal);
  const tiles = h(
    "div",
    { class: "home" },
    column(panels.waiting, panels.running, panels.failed),
    column(panels.workers, panels.templates),
  );
  const load = async () => {
    const found = await loadAll(known);
    for (const [name, each] of Object.entries(panels)) each.show(found[name], SHOWN);
    panels.failed?.say(found.hasOwn ? t`Nothing else has failed since yesterday.` : NO_FAILURE);
    if (found.done.run) tiles.after(steps.element); // it works: what waits comes first
    steps.show(found.done);
    goOn(isGoingOn(found.running));
  };
  const goOn = refreshesWhileRunning(async () => {
    try {
      const running = await underWay(page.signal);
      panels.running.show(running, SHOWN);
      goOn(isGoingOn(running));
    } catch (error) {
      console.debug(error); // what keeps the page up to date says so, and tries again
    }
  }, page);
  const { mark } = keepFresh(load, { trouble, signal: page.signal, restMs: REST_MS });
  const run = may("automations.create") && may("templates.view");
  root.append(
    pageHeading(title, {
      beside: mark,
      actions: run && buttonLink(t`Run a template`, "/templates", { name: "run" }),
    }),
    trouble,
    steps.element,
    tiles,
  );
  return () => page.abort();
}

function isGoingOn(automations) {
  return automations.some(({ state }) => state === "running");
}

function column(...panels) {
  const shown = panels.filter(Boolean).map(({ element }) => element);
  return h("div", { class: "home-column" }, shown);
}

function makePanels() {
  const all = {
    waiting: may("approvals.view") && {
      title: t`Waits for you`,
      row: (item) => (item.isOwn ? failedRow(item) : approvalRow(item)),
      nothing: t`Nothing waits for you.`,
      more: [t`All approvals`, "/approvals"],
    },
    running: may("automations.view") && {
      title: t`Running now`,
      row: runningRow,
      nothing: t`Nothing runs just now.`,
      more: [t`All automations`, "/automations"],
    },
    failed: may("automations.view") && {
      title: t`Failed since yesterday`,
      row: failedRow,
      key: ({ template, state }) => `${template} ${state}`,
      nothing: NO_FAILURE,
      more: [t`All failures`, "/automations?state=failed&since=24h"],
    },
    templates: may("templates.view") && {
      title: t`Last 30 runs`,
      row: templateRow,
      heads: templateHeads(),
      key: ({ name }) => name,
      isCounted: false, // of templates, where the title speaks of runs
      nothing: t`Nothing has run yet.`,
      more: [t`All templates`, "/templates"],
    },
    workers: may("workers.view") && {
      title: t`Workers`,
      row: workerRow,
      nothing: t`No worker has joined yet.`,
      more: [t`All workers`, "/workers"],
    },
  };
  const given = Object.entries(all).filter(([, options]) => options);
  return Object.fromEntries(given.map(([name, { title, ...how }]) => [name, panel(title, how)]));
}

/** What stays as it is for a while, so that it is not asked for anew with each change. */
class Known {
  #found = new Map();

  constructor(signal) {
    this.signal = signal;
  }

  /** What `load` gives, or has given before; for so many milliseconds. */
  async get(key, load, milliseconds = Infinity) {
    const before = this.#found.get(key);
    if (before && performance.now() - before.at < milliseconds) return before.value;
    const value = await load();
    this.#found.set(key, { value, at: performance.now() });
    return value;
  }
}

async function loadAll(known) {
  const { signal } = known;
  const [approvals, running, runs, workers] = await Promise.all([
    allowed("approvals.view", () => inbox(signal)),
    allowed("automations.view", () => underWay(signal)),
    allowed("automations.view", () => recentRuns({ signal })),
    allowed("workers.view", () => getAll("/workers", { signal })),
  ]);
  const [{ own, failed }, templates, others] = await Promise.all([
    failures(runs, known),
    templatesWithRuns(new Map(runs), known),
    known.get("steps", () => stepsTaken(signal), NAMES_MS),
  ]);
  const waiting = [...approvals.slice(0, SHOWN - own.length), ...own];
  const ran = templates.filter((each) => each.runs.length > 0);
  const latest = ran.toSorted((a, b) => (a.runs[0].created_at < b.runs[0].created_at ? 1 : -1));
  const done = {
    ...others,
    worker: workers.length > 0,
    template: templates.length > 0,
    run: ran.some((each) => each.runs.some(({ state }) => state === "succeeded")),
  };
  const fleet = workers.toSorted((a, b) => isWell(a) - isWell(b)); // who is away is seen first
  const hasOwn = own.length > 0;
  const ranLast = latest.slice(0, SHOWN);
  return { waiting, running, failed, hasOwn, templates: ranLast, workers: fleet, done };
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

/**
 * What the person has run since yesterday that ended badly, newest first: the newest of each
 * template, unless that has succeeded since, whoever ran it. Asked for where anything failed anew.
 */
async function ownFailures(runs, known) {
  const since = now() - DAY_MS;
  const failed = [...runs.values()]
    .flat()
    .filter((run) => ENDED_BADLY.includes(run.state) && Date.parse(run.created_at) > since);
  if (!failed.length) return [];
  const ids = failed.map(({ id, state }) => `${id} ${state}`).join();
  const own = await known.get(`own ${ids}`, () => ownSince(since, known.signal));
  const newest = new Map(own.toReversed().map((each) => [each.template, each]));
  const isMended = ({ id, template }) =>
    (runs.get(template) ?? []).some((run) => run.state === "succeeded" && run.id > id);
  return [...newest.values()].filter((each) => !isMended(each)).toReversed();
}

async function ownSince(time, signal) {
  const since = new Date(time).toISOString();
  const query = { state: ENDED_BADLY.join(","), requester: whoAmI().user.id, since, limit: 50 };
  const { items } = await get("/automations", { query, signal });
  return items.filter(({ target, version }) => !target && version); // a draft is still written
}

async function underWay(signal) {
  const items = await wholes({ state: UNDER_WAY, limit: SHOWN }, signal);
  const order = UNDER_WAY.split(",");
  return items.toSorted((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
}

/**
 * A page of automations without what is to begin later, and without the parts of what runs on
 * several machines, as that stands there itself. Where these fill a page the next one is looked
 * at, a few times.
 */
async function wholes(query, signal) {
  const items = [];
  let cursor = "";
  for (let pages = 0; pages < MOST_PAGES && items.length < query.limit; pages += 1) {
    const page = await get("/automations", { query: { ...query, cursor }, signal });
    items.push(...page.items.filter((item) => !item.target && !isPlanned(item)));
    cursor = page.next_cursor;
    if (!cursor) break;
  }
  return items;
}

function isPlanned({ start_at: at, started_at: begun }) {
  return !begun && at && Date.parse(at) > now();
}

/**
 * What has ended badly within a day, each with the line at which it failed: { own, failed }. `own`
 * waits for the person who ran it, and stands nowhere else.
 */
async function failures(runs, known) {
  const groups = groupsOf(runs);
  const mine = await ownFailures(runs, known);
  const shown = mine.slice(0, FAILURES_SHOWN);
  const ids = new Set(mine.map(({ id }) => id));
  const rest = groups.filter(({ latest }) => !ids.has(latest.id));
  const moreOf = new Map(groups.map(({ latest, more }) => [latest.id, more]));
  const row = async ({ id, state, template }, more) => {
    const automation = await known.get(id, () => ended({ id }, known.signal));
    return { ...automation, template, state, more };
  };
  const [own, failed] = await Promise.all([
    Promise.all(shown.map((each) => row(each, moreOf.get(each.id)))),
    Promise.all(
      rest
        .slice(0, FAILURES_SHOWN - shown.length)
        .map(({ latest, template, more }) => row({ ...latest, template }, more)),
    ),
  ]);
  return { own: own.map((each) => ({ ...each, isOwn: true })), failed };
}

/** What has ended badly within a day, newest first: of each template the newest of a kind. */
function groupsOf(runs) {
  const since = now() - DAY_MS;
  const groups = [...runs].flatMap(([template, all]) => {
    const recent = all.filter(({ created_at: at }) => Date.parse(at) > since);
    const hasOlder = recent.length === all.length && all.length >= RUNS_LISTED;
    return ENDED_BADLY.map((state) => recent.filter((run) => run.state === state))
      .filter((some) => some.length > 0)
      .map(([latest, ...more]) => ({
        latest,
        template,
        more: more.length && `${more.length}${hasOlder ? "+" : ""}`,
      }));
  });
  return groups.toSorted((a, b) => (a.latest.id < b.latest.id ? 1 : -1));
}

/**
 * An automation that has failed, which stays so; `findLine()` promises the line at which it did, if
 * that is known. The page is drawn before: what reads logs is as much again as all of Home.
 */
async function ended({ id }, signal) {
  const automation = await get("/automations/{automation_id}", {
    path: { automation_id: id },
    signal,
  });
  let line;
  const findLine = () => (line ??= lineOf(automation, signal).catch(console.debug));
  return { ...automation, findLine };
}

/** Also the `part` whose line it is, if an automation runs on several machines. */
async function lineOf(automation, signal) {
  const part = failedPartOf(automation);
  if (part) return partsLine(part, signal);
  if (!automation.started_at) return null; // it has printed nothing
  // Most days nothing has failed, and a first load is to be small.
  const excerpts = await import("../lib/log-excerpts.js").catch(console.debug);
  if (!excerpts) return null; // a newer server has other modules
  try {
    return await excerpts.failingLine(automation, { signal });
  } catch (error) {
    if (error.status !== 410) throw error; // its log has been removed
    return null;
  }
}

/** The automation of the first of several machines on which it ended badly, if it began there. */
function failedPartOf({ targets }) {
  return targets?.find(({ state, automation_id: id }) => id && ENDED_BADLY.includes(state))
    ?.automation_id;
}

async function partsLine(part, signal) {
  const path = { automation_id: part };
  const line = await lineOf(await get("/automations/{automation_id}", { path, signal }), signal);
  return line && { ...line, part };
}

async function templatesWithRuns(runs, known) {
  const load = () =>
    allowed("templates.view", () => getAll("/templates", { signal: known.signal }));
  let templates = await known.get("templates", load, NAMES_MS);
  if ([...runs.keys()].some((name) => !templates.some((each) => each.name === name)))
    templates = await known.get("templates", load, 0);
  return templates.map(({ name, display_name: title }) => ({
    name,
    title: title || name,
    runs: runs.get(name) ?? [],
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
