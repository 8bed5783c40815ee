// Going on where an automation has failed: the button, and from which phase.

import { post } from "../lib/api.js";
import { randomId } from "../lib/bytes.js";
import { h } from "../lib/dom.js";
import { navigate } from "../lib/router.js";
import { may } from "../lib/session.js";
import { versionText } from "../lib/templates.js";
import { now } from "../lib/times.js";
import { visible } from "../lib/visible.js";
import { button } from "./buttons.js";
import { askForm } from "./dialogs.js";
import { field, select } from "./fields.js";
import { t } from "../lib/language.js";

const RESUMABLE = new Set(["failed", "timed_out", "cancelled", "expired", "unknown"]);

/** The button, where there may be something to go on with; the server has the last word. */
export function resumeButton(automation) {
  if (!isResumable(automation)) return null;
  const onTargets = automation.targets.length > 0;
  return button(t`Resume…`, {
    name: "resume",
    dataset: { focus: "resume" },
    onclick: () => (onTargets ? openOnTargets(automation) : openResume(automation)),
  });
}

/** The index of the phase at which it would go on, where the person may have it do so; else -1. */
export function resumePoint(automation) {
  const isOffered = mayRunAgain(automation) && isResumable(automation);
  return isOffered && !automation.targets.length ? failedAt(automation.phases) : -1;
}

/** The same button at that phase; `place` tells it from others. */
export function resumeHere(automation, place) {
  return button(t`Resume from here…`, {
    name: "resume",
    dataset: { focus: `resume-${place}` },
    onclick: () => openResume(automation),
  });
}

/** Whether the person may run the same again; a draft is for those who could as well push it. */
export function mayRunAgain({ draft }) {
  return may("automations.create") && (!draft || may("templates.push"));
}

function isResumable({ state, jobs, phases, targets, target, resumed_from: earlier }) {
  const hasRun = jobs.some((job) => job.started_at) || earlier || targets.length > 0;
  return Boolean(RESUMABLE.has(state) && hasRun && failedAt(phases) >= 0 && !target);
}

/** The index of the first phase that is not done; -1 if all are. */
function failedAt(phases) {
  return phases.findIndex(
    ({ state, when }) =>
      !["succeeded", "done_before"].includes(state) && !(state === "skipped" && when === "failure"),
  );
}

/** The worker that keeps the workspace of the last job, and until when; null if none does. */
function keptBy({ jobs }) {
  const job = jobs.at(-1);
  const until = job?.workspace_kept_until;
  return until && new Date(until) > now() ? job.worker.name : null;
}

/** In which workspace it goes on, where there is a choice. */
function workspaceField(keeper) {
  const kept = ["", visible(t`as it was left, on ${keeper}`)];
  const fresh = ["fresh", t`empty, on any worker that fits`];
  return field({
    label: t`Workspace`,
    path: "fresh_workspace",
    control: select(keeper ? [kept, fresh] : [fresh], keeper ? "" : "fresh"),
  });
}

/** What runs on several machines goes on where it has not succeeded, from its first phase. */
function openOnTargets({ id, template, version, targets }) {
  const key = randomId();
  const left = targets.filter(({ state }) => state !== "succeeded");
  const names = visible(left.map(({ name }) => name).join(", "));
  const accepted = h("input", { type: "checkbox", name: "accept-unknown" });
  askForm({
    title: t`Resume ${template}?`,
    above: h(
      "p",
      {},
      t`A new automation runs the same template (${versionText(version)}) with the same values on what is left: ${names}. It is approved like any run.`,
    ),
    fields: [],
    below:
      left.some(({ state }) => state === "unknown") &&
      h(
        "label",
        { class: "choice" },
        accepted,
        " ",
        t`Nobody can say how it ended on one of them: I have looked, and it may run twice.`,
      ),
    action: t`Resume it now`,
    send: () =>
      post("/automations/{automation_id}/resume", {
        path: { automation_id: id },
        headers: { "Idempotency-Key": key },
        body: { accept_unknown: accepted.checked },
      }),
    done: (made) => navigate(`/automations/${made.id}`),
  });
}

function openResume(automation) {
  const { id, template, version, phases, state } = automation;
  const key = randomId();
  const last = failedAt(phases);
  const names = phases.slice(0, last + 1).map(({ name }) => name);
  const isUnknown = state === "unknown" || ["unknown", "running"].includes(phases[last].state);
  const from = field({
    label: t`Go on at phase`,
    path: "phase_from",
    control: select(
      names.map((name) => [name, visible(name)]),
      names[last],
    ),
    help: t`Those before it are not run again; what they have handed on is handed over.`,
  });
  const workspace = workspaceField(keptBy(automation));
  const accepted = h("input", { type: "checkbox", name: "accept-unknown" });
  askForm({
    title: t`Resume ${template}?`,
    above: h(
      "p",
      {},
      t`A new automation goes on with the same values and the same template (${versionText(version)}). It is approved like any run.`,
    ),
    fields: [from, workspace],
    below:
      isUnknown &&
      h(
        "label",
        { class: "choice" },
        accepted,
        " ",
        t`Nobody can say what this phase did: I have looked at its target, and it may run twice.`,
      ),
    action: t`Resume it now`,
    send: () =>
      post("/automations/{automation_id}/resume", {
        path: { automation_id: id },
        headers: { "Idempotency-Key": key },
        body: {
          phase_from: from.control.value,
          accept_unknown: accepted.checked,
          fresh_workspace: workspace.control.value === "fresh",
        },
      }),
    done: (made) => navigate(`/automations/${made.id}`),
  });
}
