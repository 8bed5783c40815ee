// When an automation waited and what it did when: a bar for each, to scale.

import { h } from "../lib/dom.js";
import { duration, exactTime, limitText, now } from "../lib/times.js";
import { visible } from "../lib/visible.js";
import { resumePoint } from "./resume-dialog.js";
import { stateDot } from "./states.js";
import { number, t } from "../lib/language.js";

const LAST_CENTRED_PERCENT = 92; // what stands around a later one would end beyond the axis
const LEAST_PERCENT = 0.4; // of a bar, so that the shortest can be seen
const MOST_TICKS = 6;
const [SECOND, MINUTE, HOUR, DAY] = [1_000, 60_000, 3_600_000, 86_400_000];
/** How far ticks may be apart, in milliseconds. */
const STEPS = [
  [1, 2, 5, 10, 20, 50, 100, 200, 500],
  [1, 2, 5, 10, 20, 30].map((seconds) => seconds * SECOND),
  [1, 2, 5, 10, 20, 30].map((minutes) => minutes * MINUTE),
  [1, 2, 4, 8].map((hours) => hours * HOUR),
].flat();

/** What of an automation its timeline shows. */
export function timelineOf(automation) {
  const { created_at, start_at, queued_at, started_at, finished_at, state } = automation;
  const { approval_id, plan, phases, targets } = automation;
  const times = { created_at, start_at, queued_at, started_at, finished_at };
  const resumedAt = resumePoint(automation);
  return { ...times, state, approval_id, plan, phases, targets, resumedAt };
}

/**
 * The timeline as a list: what, a bar, how long. `goTo(index, isPlan)` shows a phase in the log,
 * `resume()` gives the button by which it goes on at the phase where it failed.
 */
export function timelineView(timeline, { goTo, resume }) {
  const spans = spansOf(timeline).filter(({ from }) => from);
  const begin = Date.parse(timeline.created_at);
  const end = Math.max(timeline.finished_at ? Date.parse(timeline.finished_at) : now(), begin + 1);
  const place = (iso) => ((Date.parse(iso) - begin) / (end - begin)) * 100;
  return h(
    "div",
    { class: "timeline" },
    ends(timeline),
    axis(end - begin),
    h(
      "ol",
      { "aria-label": t`Timeline`, style: { "--tick": `${tickPart(end - begin)}%` } },
      spans.map((span) => spanView(span, place, { goTo, resume })),
    ),
  );
}

/** From when to when; what was over within the second in which it began has one time. */
function ends({ created_at: from, finished_at: to }) {
  const [begin, end] = [exactTime(from), to ? exactTime(to) : t`now`];
  const texts = begin === end ? [begin] : [begin, end];
  return h(
    "p",
    { class: "muted small timeline-ends" },
    texts.map((text) => h("span", {}, text)),
  );
}

/** How far ticks are apart where that many milliseconds are shown: few, at times that are round. */
function stepOf(total) {
  const least = total / MOST_TICKS;
  return STEPS.find((step) => step >= least) ?? Math.ceil(least / DAY) * DAY;
}

function tickPart(total) {
  return (100 * stepOf(total)) / total;
}

/** How long after the beginning each tick is; durations stand at each row as well. */
function axis(total) {
  const count = Math.floor(total / stepOf(total));
  const ticks = Array.from({ length: count }, (_, i) => (i + 1) * stepOf(total));
  return h(
    "div",
    { class: "timeline-row timeline-axis", "aria-hidden": "true" },
    h(
      "span",
      { class: "timeline-ticks" },
      ticks.map((at) => tick(at, (100 * at) / total)),
    ),
  );
}

function tick(at, percent) {
  const isEnd = percent > LAST_CENTRED_PERCENT;
  return h(
    "span",
    { class: isEnd ? "is-end" : null, style: { left: `${percent}%` } },
    tickText(at),
  );
}

function tickText(at) {
  if (at < SECOND) return `${at} ms`;
  return at < MINUTE ? `${number(at / SECOND)} s` : limitText(at / SECOND);
}

function spanView(span, place, { goTo, resume }) {
  const { title, state, from, to, depth, isWait, phase } = span;
  const left = Math.min(place(from), 100 - LEAST_PERCENT);
  const width = Math.max((to ? place(to) : 100) - left, LEAST_PERCENT);
  const style = { left: `${left}%`, width: `${Math.min(width, 100 - left)}%` };
  const look = isWait ? "is-waiting" : `state-${state}`;
  return h(
    "li",
    { class: `timeline-row depth-${depth}` },
    h(
      "span",
      { class: "timeline-what", title },
      state && stateDot(state),
      phase ? phaseLink(title, () => goTo(phase.index, phase.isPlan)) : h("span", {}, title),
    ),
    h(
      "span",
      { class: "timeline-track", "aria-hidden": "true" },
      h("span", { class: `timeline-bar ${look}`, style }),
    ),
    duration(from, to),
    phase?.isResumedAt && h("span", { class: "timeline-resume" }, resume()),
  );
}

function phaseLink(title, onclick) {
  const properties = {
    type: "button",
    class: "timeline-phase",
    onclick,
    title: t`Show in the log`,
  };
  return h("button", { ...properties, dataset: { focus: `phase-${title}` } }, title);
}

function spansOf({ plan, phases, targets, resumedAt, ...times }) {
  const spans = (isPlan) => (phase, index) =>
    phaseSpans(phase, { index, isPlan, isResumedAt: !isPlan && index === resumedAt });
  return [
    ...waitsForPlan(plan, times),
    ...plan.flatMap(spans(true)),
    ...waits(plan, times),
    ...phases.flatMap(spans(false)),
    ...targets.map(targetSpan),
  ];
}

function waitsForPlan([first], { created_at: created, finished_at: finished }) {
  return first ? [wait(t`Waited for a worker`, created, first.started_at ?? finished)] : [];
}

/** What it waited for before its phases began: people, the time that was chosen, a worker. */
function waits(plan, { created_at: created, queued_at: queued, approval_id: approval, ...times }) {
  const planned = plan.map((phase) => phase.finished_at).findLast(Boolean) ?? null;
  const isAsked = approval && (!plan.length || planned);
  const asked = wait(t`Waited for approval`, planned ?? created, queued ?? times.finished_at);
  return [...(isAsked ? [asked] : []), ...(queued ? waitsInQueue(queued, times) : [])];
}

function waitsInQueue(queued, { start_at: startAt, started_at: started, finished_at: finished }) {
  const begun = started ?? finished;
  if (!startAt || Date.parse(startAt) <= Date.parse(queued))
    return [wait(t`Waited for a worker`, queued, begun)];
  const isDue = (begun ? Date.parse(begun) : now()) >= Date.parse(startAt);
  const early = wait(t`Waited for its time`, queued, isDue ? startAt : begun);
  return isDue ? [early, wait(t`Waited for a worker`, startAt, begun)] : [early];
}

function targetSpan({ name, state, started_at: from, finished_at: to }) {
  return { title: visible(name), state, from, to, depth: 0 };
}

function wait(title, from, to) {
  return { title, from, to, depth: 0, isWait: true };
}

function phaseSpans(phase, place) {
  const { name, state, started_at: from, finished_at: to, failed_tries: tries } = phase;
  const { commands, message } = phase;
  if (message) return [wait(t`${visible(name)}: waited for people`, from, to)];
  const failed = tries.map((each, i) => ({
    title: t`attempt ${i + 1}`,
    state: "failed",
    from: each.started_at,
    to: each.finished_at,
    depth: 1,
  }));
  const isLater = failed.length > 0;
  const run = commands.map(({ command, state: how, started_at: begun, finished_at: ended }) => ({
    title: visible(command.split("\n")[0]),
    state: how,
    from: begun,
    to: ended,
    depth: isLater ? 2 : 1,
  }));
  const last = isLater && {
    title: t`attempt ${failed.length + 1}`,
    state,
    from: run[0]?.from,
    to,
    depth: 1,
  };
  const whole = { title: visible(name), state, from, to, depth: 0, phase: place };
  return [whole, ...failed, last, ...run].filter(Boolean);
}
