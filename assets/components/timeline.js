// When an automation waited and what it did when: a bar for each, to scale.

import { h } from "../lib/dom.js";
import { duration, exactTime, now } from "../lib/times.js";
import { visible } from "../lib/visible.js";
import { stateDot } from "./states.js";
import { t } from "../lib/language.js";

const LEAST_PERCENT = 0.4; // of a bar, so that the shortest can be seen

/** What of an automation its timeline shows. */
export function timelineOf(automation) {
  const { created_at, queued_at, started_at, finished_at, state, plan, phases } = automation;
  return { created_at, queued_at, started_at, finished_at, state, plan, phases };
}

/** The timeline as a list: what, a bar, how long. */
export function timelineView(timeline) {
  const spans = spansOf(timeline).filter(({ from }) => from);
  const begin = Date.parse(timeline.created_at);
  const end = Math.max(timeline.finished_at ? Date.parse(timeline.finished_at) : now(), begin + 1);
  const place = (iso) => ((Date.parse(iso) - begin) / (end - begin)) * 100;
  return h(
    "div",
    { class: "timeline" },
    h(
      "p",
      { class: "muted small timeline-ends" },
      h("span", {}, exactTime(timeline.created_at)),
      h("span", {}, timeline.finished_at ? exactTime(timeline.finished_at) : t`now`),
    ),
    h(
      "ol",
      { "aria-label": t`Timeline` },
      spans.map((span) => spanView(span, place)),
    ),
  );
}

function spanView({ title, state, from, to, depth, isWait }, place) {
  const left = Math.min(place(from), 100 - LEAST_PERCENT);
  const width = Math.max((to ? place(to) : 100) - left, LEAST_PERCENT);
  const style = { left: `${left}%`, width: `${Math.min(width, 100 - left)}%` };
  const look = isWait ? "is-waiting" : `state-${state}`;
  return h(
    "li",
    { class: `timeline-row depth-${depth}` },
    h("span", { class: "timeline-what", title }, state && stateDot(state), h("span", {}, title)),
    h(
      "span",
      { class: "timeline-track", "aria-hidden": "true" },
      h("span", { class: `timeline-bar ${look}`, style }),
    ),
    duration(from, to),
  );
}

function spansOf({
  created_at: created,
  queued_at: queued,
  started_at: started,
  finished_at: finished,
  plan,
  phases,
}) {
  const planned = plan.map((phase) => phase.finished_at).findLast(Boolean) ?? null;
  const planBegun = plan[0]?.started_at ?? null;
  const asked = planned ?? created;
  const isAsked = plan.length ? planned : !queued || Date.parse(queued) - Date.parse(created) > 50;
  return [
    plan.length > 0 && wait(t`Waited for a worker`, created, planBegun ?? finished),
    ...plan.flatMap(phaseSpans),
    isAsked && wait(t`Waited for approval`, asked, queued ?? finished),
    queued && wait(t`Waited for a worker`, queued, started ?? finished),
    ...phases.flatMap(phaseSpans),
  ].filter(Boolean);
}

function wait(title, from, to) {
  return { title, from, to, depth: 0, isWait: true };
}

function phaseSpans({
  name,
  state,
  started_at: from,
  finished_at: to,
  failed_tries: tries,
  commands,
  message,
}) {
  if (message) return [wait(t`${visible(name)}: waited for people`, from, to)];
  const failed = tries.map((each, i) => ({
    title: t`attempt ${i + 1}`,
    state: "failed",
    from: each.started_at,
    to: each.finished_at,
    depth: 1,
  }));
  const run = commands.map(({ command, state: how, started_at: begun, finished_at: ended }) => ({
    title: visible(command.split("\n")[0]),
    state: how,
    from: begun,
    to: ended,
    depth: 1,
  }));
  return [{ title: visible(name), state, from, to, depth: 0 }, ...failed, ...run];
}
