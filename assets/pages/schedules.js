// Schedules: what runs by itself and when, each as it was pushed, and pushing, pausing, running now.

import { button, buttonLink } from "../components/buttons.js";
import { ask, confirm, opensWith } from "../components/dialogs.js";
import { firstOne, OPERATORS } from "../components/first-one.js";
import { pageHeading } from "../components/headings.js";
import { actionsColumn, column, List } from "../components/list.js";
import { keptNotice } from "../components/problems.js";
import { openPushDialog } from "../components/push-dialog.js";
import { sourceView } from "../components/source.js";
import { stateText } from "../components/states.js";
import { weekAhead } from "../components/week.js";
import { get, post, remove } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { takeDraft } from "../lib/drafts.js";
import { number, plural, t } from "../lib/language.js";
import { here } from "../lib/router.js";
import { said } from "../lib/server-texts.js";
import { may } from "../lib/session.js";
import { dayAndTime, exactTime, scheduleText } from "../lib/times.js";
import { visible } from "../lib/visible.js";

const SAMPLE = `apiVersion: v1
type: Schedule
metadata:
  name: nightly
spec:
  template: backup
  cron: "30 2 * * *"
  timeZone: Europe/Berlin
`;

export function mount(root, { title }) {
  const page = new AbortController();
  const list = new List({
    label: title,
    endpoint: "/schedules",
    columns: [...COLUMNS, actionsColumn((schedule) => actions(schedule, list))],
    bulk: may("schedules.manage") ? PAUSE_SEVERAL : [],
    key: ({ name }) => name,
    show: ({ name }) => showing(name, list),
    showNamed: (name) => showing(name, list),
    empty: () =>
      firstOne(t`No schedules`, t`A schedule runs a template by itself, at times.`, {
        takes: "schedules.manage",
        command: "opsicle schedules push FILE",
        by: OPERATORS,
      }),
    signal: page.signal,
  });
  const open = () => openPush(SAMPLE, list);
  const push =
    may("schedules.manage") && button(t`Push a schedule…`, { look: "primary", onclick: open });
  const week = weekAhead(page);
  const { reload } = list;
  list.reload = () => (week.refresh(), reload());
  const below = h("p", { class: "muted" }, t`What runs by itself, and when.`);
  root.append(
    pageHeading(title, { actions: [buttonLink(t`Planned starts`, "/planned"), push], below }),
    h("div", { class: "sections" }, list.element, week.element),
  );
  const kept = takeDraft("schedule", here());
  if (kept !== null) openPush(kept, list, keptNotice());
  return () => page.abort();
}

const COLUMNS = [
  column(t`Name`, ({ name, state }) => [
    h("strong", {}, name),
    state !== "active" && h("div", { class: "muted small" }, stateText(state)),
  ]),
  column(t`Template`, ({ template }) => visible(template), { isMinor: true }),
  column(t`Times`, (schedule) => scheduleText(schedule), { card: "none" }),
  column(t`Next`, ({ next_at: at }) => (at ? dayAndTime(at) : "–")),
  column(t`Last`, ({ last_start: last }) => lastOutcome(last)),
  column(t`Runs as`, ({ runs_as: person }) => visible(person.email), { isMinor: true }),
];

const PAUSE_SEVERAL = [
  {
    text: t`Pause…`,
    verb: t`Pause`,
    title: (count) =>
      plural(count, { one: t`Pause 1 schedule?`, other: t`Pause ${number(count)} schedules?` }),
    explain: () => t`They start nothing until they are resumed. What they have started goes on.`,
    refuses: ({ state }) => (state === "paused" ? t`is paused already` : ""),
    run: ({ name }) => setPaused(name, true),
    said: (count) =>
      plural(count, {
        one: t`1 schedule is paused.`,
        other: t`${number(count)} schedules are paused.`,
      }),
  },
  {
    text: t`Resume…`,
    verb: t`Resume`,
    title: (count) =>
      plural(count, { one: t`Resume 1 schedule?`, other: t`Resume ${number(count)} schedules?` }),
    explain: () => t`They start their templates again at their times.`,
    refuses: ({ state }) => (state === "paused" ? "" : t`is not paused`),
    run: ({ name }) => setPaused(name, false),
    said: (count) =>
      plural(count, {
        one: t`1 schedule is resumed.`,
        other: t`${number(count)} schedules are resumed.`,
      }),
  },
];

async function setPaused(name, isPaused) {
  const endpoint = isPaused ? "/schedules/{schedule}/pause" : "/schedules/{schedule}/resume";
  await post(endpoint, { path: { schedule: name } });
}

function lastOutcome(last) {
  if (!last) return "–";
  const isStarted = last.outcome === "started";
  const text = stateText(isStarted ? (last.automation_state ?? last.outcome) : last.outcome);
  const id = last.automation_id;
  const link = id && isStarted && h("a", { href: `/automations/${id}` }, text);
  return [
    link || text,
    last.reason && h("div", { class: "muted small" }, visible(said(last.reason))),
  ];
}

function showing(name, list) {
  const path = { schedule: name };
  const load = async () => [
    await get("/schedules/{schedule}", { path }),
    await get("/schedules/{schedule}/next", { path }),
  ];
  return opensWith(load, ([{ source }, { next_times: times }]) => {
    const edit = { text: t`Change…`, look: "primary", run: () => openPush(source, list) };
    ask({
      title: name,
      content: [
        h("p", {}, times.length ? t`Next times:` : t`It is paused, or has no more times.`),
        h("ul", {}, ...times.map((at) => h("li", {}, exactTime(at)))),
        sourceView(source),
      ],
      actions: may("schedules.manage") ? [edit] : [],
      isWide: true,
    });
  });
}

function actions({ name, state }, list) {
  const path = { schedule: name };
  const isPaused = state === "paused";
  const pause = async () => {
    await setPaused(name, !isPaused);
    list.reload();
  };
  const run = () =>
    confirm({
      title: t`Run ${name} now?`,
      text: t`It runs as you, with your rights. Its times stay as they are.`,
      action: t`Run now`,
      run: () => post("/schedules/{schedule}/run", { path }),
      done: list.reload,
    });
  const end = () =>
    confirm({
      title: t`Delete ${name}?`,
      text: t`It starts nothing any more. What it has started goes on.`,
      action: t`Delete the schedule`,
      run: () => remove("/schedules/{schedule}", { path }),
      done: list.reload,
    });
  const mayManage = may("schedules.manage");
  const verb = isPaused ? t`Resume` : t`Pause`;
  return [
    mayManage && button(verb, { look: "quiet", "aria-label": `${verb} ${name}`, onclick: pause }),
    may("automations.create") &&
      button(t`Run now…`, { look: "quiet", "aria-label": t`Run ${name} now`, onclick: run }),
    mayManage &&
      button(t`Delete…`, {
        look: "quiet",
        "aria-label": t`Delete ${name}`,
        onclick: end,
      }),
  ];
}

function openPush(source, list, notice = null) {
  openPushDialog({
    noun: "schedule",
    source,
    push: (text) => post("/schedules", { body: { source: text } }),
    pushed: list.reload,
    notice,
  });
}
