// One automation: how it stands, what it does, and its log as it grows.

import { announce } from "../components/announcer.js";
import { artifactsView } from "../components/artifacts.js";
import { automationActions } from "../components/automation-actions.js";
import { inputsOf, inputsView, trailOf, trailView } from "../components/automation-facts.js";
import { showPhases } from "../components/automation-phases.js";
import { chainNotices } from "../components/chain.js";
import { comparisonView } from "../components/comparison.js";
import { BANNER_LINES, failureBanner } from "../components/failure-banner.js";
import { pageHeading, setTitle } from "../components/headings.js";
import { liveMark } from "../components/live.js";
import { TAIL_LINES } from "../components/log-panel.js";
import { LogPanels } from "../components/log-panels.js";
import { noticeBox, problemBox, sentence } from "../components/problems.js";
import { isFinal, stateBadge, stateDot, stateText } from "../components/states.js";
import { resumeHere } from "../components/resume-dialog.js";
import { tabbed } from "../components/tabs.js";
import { targetsView } from "../components/targets.js";
import { timelineOf, timelineView } from "../components/timeline.js";
import { TrailOrders } from "../components/trail-orders.js";
import { trailRecord } from "../components/trail-record.js";
import { get } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { follow } from "../lib/events.js";
import { showList } from "../lib/keyed.js";
import { t } from "../lib/language.js";
import { failureExcerpt } from "../lib/log-excerpts.js";
import { markdown } from "../lib/markdown.js";
import { said } from "../lib/server-texts.js";
import { pathOf, versionText } from "../lib/templates.js";
import { ago, duration } from "../lib/times.js";
import { visible, visibleLine } from "../lib/visible.js";

const STARTED = {
  schedule: (name) => t`started by schedule ${name}`,
  trigger: (name) => t`started by trigger ${name}`,
  call: (name) => t`called by ${name}`,
  fan_out: (name) => t`a part of ${name}`,
  chain: (name) => t`started after ${name}`,
};
const LOOK_FOR_STARTS_MS = 1_500;
const MOST_LOOKS = 10;
const MOST_RERUNS = 3; // newest first; the list of automations has them all
const HIDDEN_LOOK_MS = 10_000; // how often the tab's title is brought up to date while nobody looks at the page

export function mount(root, { id, title, query }) {
  const page = new AbortController();
  const path = { automation_id: id };
  const mark = liveMark();
  const parts = {
    head: h("div", {}),
    trouble: h("div", {}),
    summary: h("div", {}),
    targets: h("div", { hidden: true }),
    artifacts: h("div", {}),
    phases: h("div", { class: "phases" }),
    timeline: h("div", {}),
    inputs: h("div", {}),
    trail: h("div", {}),
    log: new LogPanels({ id, mark: mark.element, query, signal: page.signal }),
  };
  const steps = h("section", {}, h("h2", {}, t`Phases`), parts.phases);
  parts.head.append(pageHeading(title));
  const side = h("div", { class: "automation-side" }, steps);
  const log = h("div", { class: "automation" }, side, parts.log.element);
  const known = Promise.withResolvers();
  const onceKnown = (view) => {
    const place = h("div", {});
    known.promise.then((automation) => place.append(view(automation, page.signal)));
    return place;
  };
  parts.tabs = tabbed({
    label: t`Views of the automation`,
    query,
    views: [
      { key: "log", text: t`Log`, content: [parts.targets, log] },
      { key: "timeline", text: t`Timeline`, content: parts.timeline },
      { key: "data", text: t`Inputs and outputs`, content: parts.inputs },
      { key: "artifacts", text: t`Artifacts`, content: parts.artifacts },
      { key: "compare", text: t`Compare`, content: () => onceKnown(comparisonView) },
      {
        key: "trail",
        text: t`Trail`,
        content: () => [
          parts.trail,
          onceKnown((automation, signal) => {
            parts.orders = new TrailOrders(signal);
            parts.orders.show(automation);
            return parts.orders.element;
          }),
          onceKnown(trailRecord),
        ],
      },
    ],
  });
  parts.signal = page.signal;
  root.append(parts.head, parts.trouble, parts.summary, ...parts.tabs.element);
  root.classList.add("is-full-height");
  let shown = null;
  const show = (automation) => {
    showAutomation(parts, automation, shown);
    known.resolve(automation);
    // each of its targets has its own phases and log
    const { targets, jobs } = automation;
    steps.hidden = targets.length > 0;
    parts.targets.hidden = !steps.hidden;
    log.hidden = steps.hidden && jobs.length === 0;
    if (steps.hidden) parts.tabs.rename("log", t`Targets ${targets.length}`);
    parts.orders?.show(automation);
    shown = automation;
  };
  follow("/automations/{automation_id}/events", {
    path,
    query: { tail: TAIL_LINES },
    on: (name, data) => {
      if (name === "automation") show(data);
      else if (name === "log") parts.log.live.append(data);
      else if (name === "end") {
        parts.log.live.finish();
        lookForStarts(path, page.signal, () => shown, show);
      }
      return name !== "end";
    },
    status: (status) => {
      mark.show(status);
      if (status === "closed" && shown && isFinal(shown.state)) parts.log.live.finish();
    },
    failed: (error) => {
      replace(parts.trouble, problemBox(error));
      if (!shown) for (const each of parts.tabs.element) each.remove(); // of what is not known
    },
    signal: page.signal,
  });
  const stopLooking = lookWhileHidden(path, page.signal, () => shown);
  return () => {
    stopLooking();
    page.abort();
    root.classList.remove("is-full-height");
  };
}

/**
 * The stream rests while the page is hidden; its title in the row of tabs must still say how things
 * stand.
 */
function lookWhileHidden(path, signal, shown) {
  const timer = setInterval(async () => {
    if (document.visibilityState === "visible" || !shown() || isFinal(shown().state)) return;
    try {
      titleFor(await get("/automations/{automation_id}", { path, signal }));
    } catch {
      // the page says what is wrong when somebody looks at it
    }
  }, HIDDEN_LOOK_MS);
  return () => clearInterval(timer);
}

/** What follows an end is started a moment later, when the stream of events is over. */
async function lookForStarts(path, signal, shown, show) {
  for (let look = 0; look < MOST_LOOKS; look++) {
    if (signal.aborted || !shown()?.chained_starts.some(({ state }) => state === "due")) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_FOR_STARTS_MS));
    try {
      show(await get("/automations/{automation_id}", { path, signal }));
    } catch {
      return; // they are shown when the page is loaded anew
    }
  }
}

function showAutomation(parts, automation, before) {
  if (before?.state !== automation.state)
    announce(`${automation.template}: ${stateText(automation.state)}`);
  if (before === null) parts.head.replaceChildren();
  showList(parts.head, [headOf(automation)], () => "head", headView(parts));
  titleFor(automation);
  if (before === null) parts.head.querySelector("h1").focus({ preventScroll: true });
  showList(parts.summary, summaries(automation), () => "summary", summaryView);
  showList(parts.targets, targetsOf(automation), () => "targets", targetsView);
  showList(parts.artifacts, [artifactsOf(automation)], () => "artifacts", artifactsView);
  const { artifacts } = automation;
  parts.tabs.rename(
    "artifacts",
    artifacts.length ? t`Artifacts ${artifacts.length}` : t`Artifacts`,
  );
  showPhases(parts.phases, automation, (...place) => parts.log.goTo(...place));
  showList(
    parts.timeline,
    [timelineOf(automation)],
    () => "timeline",
    (timeline) =>
      timelineView(timeline, {
        goTo: (index, isPlan) => (parts.tabs.show("log"), parts.log.goTo(index, null, isPlan)),
        resume: () => resumeHere(automation, "time"),
      }),
  );
  showList(parts.inputs, [inputsOf(automation)], () => "inputs", inputsView);
  showList(parts.trail, [trailOf(automation)], () => "trail", trailView);
  parts.log.describe(automation);
  if (before === null) openAtFailure(parts, automation);
}

/** Whoever opens what has failed reads at the line where it did, unless the address names another. */
async function openAtFailure(parts, { state }) {
  if (!isFinal(state) || !parts.excerpt || location.hash) return;
  const { first } = await parts.excerpt;
  if (first && !location.hash) parts.log.openAt(first);
}

function titleFor(automation) {
  setTitle(`${stateText(automation.state)}: ${automation.template}`);
}

/** Everything that the head shows; what changes with each command is among it only at the end. */
function headOf(automation) {
  const {
    plan,
    phases,
    jobs,
    values,
    variables,
    files,
    outputs,
    summary,
    artifacts,
    artifacts_missing: missing,
    log_bytes: logBytes,
    ...rest
  } = automation;
  return isFinal(rest.state) ? { ...rest, plan, phases, jobs } : rest;
}

function headView(parts) {
  const goTo = (number) => {
    parts.tabs.show("log");
    parts.log.goToNumber(number);
  };
  const excerptOf = (automation) => (parts.excerpt ??= excerpt(automation, parts.signal));
  return (automation) =>
    h(
      "div",
      {},
      pageHeading(visible(automation.display_name || automation.template), {
        above: [
          h("a", { href: "/automations" }, t`Automations`),
          " / ",
          automation.draft
            ? automation.template
            : h("a", { href: pathOf({ name: automation.template }) }, automation.template),
          " ",
          versionText(automation.version),
        ],
        beside: stateBadge(
          automation.state,
          automation.is_cancel_requested && !isFinal(automation.state) ? t`(cancelling)` : "",
        ),
        actions: automationActions(automation),
        below: h("p", { class: "muted facts-line" }, factsLine(automation)),
      }),
      remarks(automation, { goTo, excerptOf }),
    );
}

function artifactsOf({ artifacts, artifacts_missing: missing }) {
  return { artifacts, missing };
}

function targetsOf({ targets }) {
  return targets.length ? [targets] : [];
}

function summaries({ summary }) {
  return summary ? [summary] : [];
}

/** What the phases say themselves of what they did; as it may be long, it scrolls by itself. */
function summaryView(text) {
  return h(
    "section",
    { class: "summary", tabindex: "0", "aria-labelledby": "summary-title" },
    h("h2", { id: "summary-title" }, t`Summary`),
    h("div", { class: "markdown" }, markdown(text)),
  );
}

function tookText({ started_at: from, finished_at: to }) {
  const time = duration(from, to);
  return to ? t`took ${time}` : t`for ${time}`;
}

function startedText({ kind, name }) {
  return (STARTED[kind] ?? STARTED.chain)(name);
}

function factsLine(automation) {
  return [
    h("span", {}, t`by ${visible(automation.requester.name || automation.requester.email)}`),
    ago(automation.created_at),
    automation.worker && h("span", {}, t`on ${visible(automation.worker.name)}`),
    automation.started_at && h("span", {}, tookText(automation)),
    automation.exit_code !== null && h("span", {}, t`exit code ${automation.exit_code}`),
    ["schedule", "trigger"].includes(automation.started_by.kind) &&
      h("span", {}, startedText(automation.started_by)),
    automation.resumed_from &&
      h("a", { href: `/automations/${automation.resumed_from}` }, t`goes on from an earlier one`),
    automation.started_by.automation_id &&
      h(
        "a",
        { href: `/automations/${automation.started_by.automation_id}` },
        startedText(automation.started_by),
      ),
    automation.target && h("span", {}, t`for ${visible(automation.target)}`),
    automation.depth > 1 && h("span", {}, t`depth ${automation.depth}`),
    automation.rerun_of &&
      h("a", { href: `/automations/${automation.rerun_of}` }, t`rerun of an earlier one`),
    ...automation.resumed_by.map((run) => laterLink(run, t`a later one goes on from it`)),
    ...automation.rerun_by
      .slice(0, MOST_RERUNS)
      .map((run) => laterLink(run, t`a later one repeats it`)),
  ];
}

function laterLink({ automation_id: id, state }, text) {
  const words = `${text}: ${stateText(state)}`;
  return h("a", { href: `/automations/${id}` }, stateDot(state), " ", words);
}

/** What a failed automation has printed of it; nothing where its log cannot be had, which says why. */
async function excerpt(automation, signal) {
  const nothing = { lines: [], first: 0 };
  if (!automation.started_at) return nothing;
  try {
    return await failureExcerpt(automation, BANNER_LINES, { signal });
  } catch {
    return nothing;
  }
}

function remarks(automation, { goTo, excerptOf }) {
  const { state, waiting_reason: waiting, explanation } = automation;
  return [
    automation.reason && h("p", { class: "lead reason" }, "“", visibleLine(automation.reason), "”"),
    waiting &&
      noticeBox(
        "note",
        h("strong", {}, t`Waiting:`),
        " ",
        visible(said(waiting)),
        " ",
        waitingLink(automation),
      ),
    state === "unknown" &&
      noticeBox(
        "warn",
        h("strong", {}, t`Nobody can say what it did.`),
        " ",
        t`The worker was lost while the job ran. Look at the target before you run it again; if the worker comes back, its word replaces this.`,
      ),
    explanation && state === "cancelled" && noticeBox("note", sentence(explanation)),
    explanation &&
      !["succeeded", "cancelled"].includes(state) &&
      failureBanner(automation, { goTo, excerpt: excerptOf(automation) }),
    automation.log_remark && noticeBox("warn", sentence(automation.log_remark)),
    ...chainNotices(automation.chained_starts),
  ];
}

function waitingLink({ state, approval_id: approval, pause_id: pause }) {
  if (state === "awaiting_approval")
    return h("a", { href: `/approvals/${approval}` }, t`See the approval`);
  if (state === "paused" && pause)
    return h("a", { href: `/approvals/${pause}` }, t`See what it asks`);
  return h("a", { href: "/workers" }, t`See the workers`);
}
