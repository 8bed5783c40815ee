// What an automation was given and has handed on, and the trail of how it came to run.

import { h } from "../lib/dom.js";
import { queueTexts, wantedLabels } from "../lib/placement.js";
import { duration, exactTime, now } from "../lib/times.js";
import { environmentName } from "../lib/values.js";
import { visible, visibleValue } from "../lib/visible.js";
import { chainView } from "./chain.js";
import { valueView } from "./files.js";
import { stateBadge } from "./states.js";
import { t } from "../lib/language.js";
import { said } from "../lib/server-texts.js";

/** What `inputsView` shows of an automation. */
export function inputsOf({ values, variables, files, outputs }) {
  return { values, variables, files, outputs };
}

export function inputsView({ values, variables, files, outputs }) {
  const given = variables.filter((variable) => variable.id in values);
  const hasOutputs = Object.keys(outputs).length > 0;
  return h(
    "div",
    { class: "automation-facts columns" },
    h(
      "section",
      {},
      h("h2", {}, t`Values`),
      given.length
        ? valueList(given, values, files)
        : h("p", { class: "muted" }, t`It takes none.`),
    ),
    h(
      "section",
      {},
      h("h2", {}, t`Outputs`),
      hasOutputs ? outputList(outputs) : h("p", { class: "muted" }, t`No outputs.`),
    ),
  );
}

function valueList(given, values, files) {
  return h(
    "dl",
    { class: "values" },
    given.map((variable) => [
      h("dt", { title: environmentName(variable.id) }, visible(variable.label || variable.id)),
      h("dd", {}, valueView(variable.id, values[variable.id], files)),
    ]),
  );
}

/** What `trailView` shows of an automation. */
export function trailOf(automation) {
  const {
    id,
    jobs,
    chained_starts: chained,
    approval_id: approvalId,
    requester,
    created_at: at,
  } = automation;
  const startAt = automation.start_at;
  return {
    id,
    jobs,
    chained,
    approvalId,
    requester,
    at,
    startAt,
    labels: wantedLabels(automation),
    queue: queueTexts(automation),
  };
}

export function trailView(shown) {
  const { id, jobs, chained, approvalId, requester, at, startAt, labels, queue } = shown;
  return h(
    "div",
    { class: "automation-trail" },
    h(
      "section",
      {},
      h("h2", {}, t`Triggered`),
      h("p", {}, t`by ${visible(requester.name || requester.email)}, ${exactTime(at)}`),
      startAt && h("p", {}, t`to begin at ${exactTime(startAt)} at the earliest`),
      approvalId && h("p", {}, h("a", { href: `/approvals/${approvalId}` }, t`Its approval`)),
      h("p", { class: "muted small" }, t`id`, " ", h("code", {}, id)),
    ),
    labels.length > 0 &&
      h(
        "section",
        {},
        h("h2", {}, t`Runs on`),
        labels.map((text) => h("code", { class: "fact" }, visible(text))),
      ),
    queue.length > 0 &&
      h(
        "section",
        {},
        h("h2", {}, t`In the queue`),
        queue.map((text) => h("p", {}, visible(text))),
      ),
    jobs.length > 0 &&
      h(
        "section",
        {},
        h("h2", {}, jobs.length > 1 ? t`Jobs (${jobs.length} attempts)` : t`Job`),
        h("ol", { class: "jobs" }, jobs.map(jobView)),
      ),
    chained.length > 0 && chainView(chained),
  );
}

/** What phases have handed on, by name. */
function outputList(outputs) {
  return h(
    "dl",
    { class: "values" },
    Object.entries(outputs).map(([name, value]) => [
      h("dt", {}, visible(name)),
      h("dd", {}, h("code", {}, visibleValue(value))),
    ]),
  );
}

/** Until when its worker keeps what a job has left, so that another one can go on there. */
function keptView({ workspace_kept_until: until }) {
  const isOver = new Date(until) <= now();
  return h(
    "p",
    { class: "muted" },
    isOver
      ? t`Its workspace is not kept any more.`
      : t`Its workspace is kept until ${exactTime(until)}.`,
  );
}

function jobView(job) {
  return h(
    "li",
    {},
    t`${stateBadge(job.state)} on ${visible(job.worker.name)}`,
    job.started_at && [", ", duration(job.started_at, job.finished_at)],
    job.explanation && h("p", { class: "muted" }, visible(said(job.explanation))),
    job.workspace_kept_until && keptView(job),
  );
}
