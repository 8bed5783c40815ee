// Phases with their commands: as a template plans them, and as an automation carried them out.

import { h } from "../lib/dom.js";
import { duration, limitText } from "../lib/times.js";
import { visible } from "../lib/visible.js";
import { calledView, callText, chainTexts } from "./chain.js";
import { stateDot } from "./states.js";
import { number, plural, t } from "../lib/language.js";
import { said } from "../lib/server-texts.js";

const WHEN = { always: t`always`, failure: t`on failure`, success: t`on success` };
const DEFAULT_TIMEOUT_SECONDS = 60;
const MAX_OPEN_COMMANDS = 24; // beyond that, phases that went well are folded

/**
 * The phases of a template, in order, with what is special about each, and what containers see;
 * before them those of its plan. Of an automation that goes on from another one: also which are
 * not run again.
 */
export function phasesView({
  plan = [],
  phases,
  volume_mounts: mounts,
  on_success: then = [],
  on_failure: or = [],
  resume_point: point,
}) {
  return [
    plan.length > 0 && [
      h("p", { class: "muted" }, t`Its plan runs first, before anybody is asked:`),
      phaseList(plan),
      h("p", { class: "muted" }, t`Then, if it goes well and whoever is asked agrees:`),
    ],
    phaseList(phases.map((each, i) => ({ ...each, isDoneBefore: i < (point?.first_phase ?? 0) }))),
    mounts.length > 0 && mountList(mounts),
    chainTexts(then, or).map((text) => h("p", {}, visible(text))),
  ];
}

/** Where the button of a form stands below what will run: up to here `main` has one column. */
const ONE_COLUMN = "(width < 53.75rem)";

/**
 * The same, to be folded to how many phases and commands there are, and the names of the phases: it
 * is so where the button of a form stands below it, until the person folds or unfolds it.
 */
export function foldedPhases(template, signal) {
  const all = [...(template.plan ?? []), ...template.phases];
  const commands = all.reduce((sum, phase) => sum + phase.commands.length, 0);
  const phaseCount = plural(all.length, {
    one: t`1 phase`,
    other: t`${number(all.length)} phases`,
  });
  const commandCount = plural(commands, {
    one: t`1 command`,
    other: t`${number(commands)} commands`,
  });
  const names = h("span", { class: "muted" }, visible(all.map(({ name }) => name).join(", ")));
  const count = t`${phaseCount}, ${commandCount}`;
  const narrow = matchMedia(ONE_COLUMN);
  const stay = () => narrow.removeEventListener("change", follow);
  const summary = h("summary", { onclick: stay }, count, names);
  const element = h("details", { class: "phases" }, summary, phasesView(template));
  const follow = () => (element.open = !narrow.matches);
  follow();
  narrow.addEventListener("change", follow, { signal });
  return element;
}

function mountList(mounts) {
  return h(
    "ul",
    { class: "plan-mounts" },
    mounts.map(({ host, container }) =>
      h("li", {}, visible(t`Containers see ${host} of the worker as ${container}`)),
    ),
  );
}

function phaseList(phases) {
  return h(
    "ol",
    { class: "plan" },
    phases.map((phase) =>
      h(
        "li",
        { class: phase.isDoneBefore ? "plan-phase is-done-before" : "plan-phase" },
        h("h3", {}, visible(phase.name), h("span", { class: "plan-facts" }, facts(phase))),
        phase.pause && h("p", {}, t`Asks people: ${visible(phase.pause.message)}`),
        (phase.calls ?? []).map((call) => h("p", {}, visible(callText(call)))),
        commandList(phase.commands),
      ),
    ),
  );
}

/** The commands of a phase, as they stand in its template. */
export function commandList(commands) {
  return h(
    "ol",
    { class: "commands" },
    commands.map((command) => h("li", {}, h("code", { class: "command" }, visible(command)))),
  );
}

function timeLimit(seconds) {
  const text = limitText(seconds);
  return seconds === DEFAULT_TIMEOUT_SECONDS ? t`at most ${text}, the default` : t`at most ${text}`;
}

function containerFacts(phase) {
  return [
    t`image ${phase.image}`,
    phase.network ? t`with a network` : t`no network`,
    phase.pull && phase.pull !== "missing" && t`pull ${phase.pull}`,
    phase.user && t`user ${phase.user}`,
    phase.read_only && t`read-only root`,
  ];
}

function usageLimits(limits) {
  return [
    limits.memory_mib && t`at most ${limits.memory_mib} MiB of memory`,
    limits.processes && t`at most ${limits.processes} processes`,
    limits.cpu_seconds && t`${limits.cpu_seconds} s of CPU a process`,
    limits.file_mib && t`files of at most ${limits.file_mib} MiB`,
    limits.nice && t`nice ${limits.nice}`,
  ];
}

function clusterFacts({ slurm, kubernetes }) {
  if (kubernetes) {
    const { service_account: account, cpu_millis: millis, memory_mib: memory } = kubernetes;
    return [
      t`a pod of Kubernetes`,
      account && t`service account ${account}`,
      millis && t`${millis / 1000} CPUs`,
      memory && t`${memory} MiB of memory`,
    ];
  }
  if (!slurm) {
    return [];
  }
  const { partition, account, qos, time, cpus, memory_mib: memory } = slurm;
  return [
    t`a job of Slurm`,
    partition && t`partition ${partition}`,
    account && t`account ${account}`,
    qos && t`QOS ${qos}`,
    time && t`at most ${limitText(time)}`,
    cpus && t`${cpus} CPUs`,
    memory && t`${memory} MiB of memory`,
  ];
}

function retriesText({ limit, delay, backoff, retry_on: codes }) {
  return [
    plural(limit, { one: t`1 retry`, other: t`${limit} retries` }),
    delay && t`after ${delay} s`,
    backoff > 1 && t`times ${backoff}`,
    codes && t`on exit code ${codes.join(", ")}`,
  ]
    .filter(Boolean)
    .join(", ");
}

function named(what, names) {
  return names.length > 0 && `${what} ${names.join(", ")}`;
}

function failureFacts({ pause, calls = [], timeout = DEFAULT_TIMEOUT_SECONDS, on_failure: then }) {
  const runsItself = !pause && calls.length === 0;
  return [runsItself && timeLimit(timeout), then === "ask" && t`asks people if it fails`];
}

function facts(phase) {
  const all = [
    phase.isDoneBefore && t`done before, not run again`,
    phase.when !== "success" && WHEN[phase.when],
    ...(phase.image ? containerFacts(phase) : []),
    ...usageLimits(phase.limits ?? {}),
    ...clusterFacts(phase),
    ...failureFacts(phase),
    phase.retries && retriesText(phase.retries),
    phase.shell && phase.shell !== "/bin/sh" && phase.shell,
    phase.working_directory && t`in ${phase.working_directory}`,
    named(t`secrets`, phase.secrets ?? []),
    named(t`outputs`, phase.outputs ?? []),
    ...Object.entries(phase.env ?? {}).map(([name, value]) => `${name}=${value}`),
  ];
  return all.filter(Boolean).map((fact) => h("span", { class: "fact" }, visible(fact)));
}

/**
 * One phase of an automation. `goTo(phase, offset)` shows its place in the log; `offset` null:
 * where the phase begins. `resume` is a button by which it goes on there, if it can. `before` is the
 * element that showed it until now, whose folding stays.
 */
export function phaseView(phase, index, { isLong, goTo, resume, before }) {
  const isInteresting = !["succeeded", "skipped", "pending", "done_before"].includes(phase.state);
  const attempt =
    phase.tries_allowed > 1 &&
    phase.tries > 0 &&
    t`attempt ${phase.tries} of ${phase.tries_allowed}`;
  const isOpen =
    before && before.dataset.state === phase.state ? before.open : isInteresting || !isLong;
  return h(
    "details",
    { class: "phase", open: isOpen, dataset: { state: phase.state } },
    h(
      "summary",
      { dataset: { focus: phase.key } },
      stateDot(phase.state),
      h("span", { class: "phase-name" }, visible(phase.name)),
      phase.isPlan && h("span", { class: "fact" }, t`plan`),
      attempt && h("span", { class: "fact" }, attempt),
      phase.when !== "success" && h("span", { class: "fact" }, WHEN[phase.when] ?? phase.when),
      phase.started_at && duration(phase.started_at, phase.finished_at),
    ),
    phaseTexts(phase, attempt),
    resume && h("div", { class: "phase-resume" }, resume),
    calledView(phase.called, phase.calls),
    phase.failed_tries.length > 0 && tryList(phase, index, goTo),
    h(
      "ol",
      { class: "steps" },
      phase.commands.map((command, i) => commandView(phase, index, command, i, goTo)),
    ),
  );
}

function phaseTexts({ explanation, message }, attempt) {
  return [explanation !== attempt && explanation, message]
    .filter(Boolean)
    .map((text) => h("p", { class: "phase-explanation" }, visible(said(text))));
}

/** The tries that another one followed; each shows its place in the log. */
function tryList(phase, index, goTo) {
  return h(
    "ol",
    { class: "tries", "aria-label": t`Failed attempts` },
    phase.failed_tries.map((failed, i) =>
      h(
        "li",
        {},
        h(
          "button",
          {
            type: "button",
            class: "step-line",
            title: t`Show in the log`,
            onclick: () => goTo(index, failed.log_offset),
            dataset: { focus: `try-${phase.key}-${i}` },
          },
          stateDot("failed"),
          h("span", {}, t`attempt ${i + 1}:`, " ", tryEnd(failed)),
          h("span", { class: "step-facts" }, duration(failed.started_at, failed.finished_at)),
        ),
      ),
    ),
  );
}

function tryEnd({ exit_code: code, explanation }) {
  return visible(said(explanation) || t`exit code ${code}`);
}

/** Whether an automation has so many commands that those which went well are better folded. */
export function isLongPlan(phases) {
  return phases.reduce((sum, phase) => sum + phase.commands.length, 0) > MAX_OPEN_COMMANDS;
}

function commandView(phase, index, command, i, goTo) {
  const text = visible(command.command);
  const canJump = phase.started_at && (command.log_offset !== null || i === 0);
  const shown = h("code", { class: "command" }, text);
  const exit = command.exit_code
    ? h("span", { class: "exit-code" }, t`exit ${command.exit_code}`)
    : null;
  const time =
    phase.has_command_times && command.started_at
      ? duration(command.started_at, command.finished_at)
      : null;
  const inside = [stateDot(command.state), shown, h("span", { class: "step-facts" }, exit, time)];
  if (!canJump)
    return h("li", { class: "step" }, h("span", { class: "step-line", title: text }, inside));
  const jump = () => goTo(index, command.log_offset);
  return h(
    "li",
    { class: "step" },
    h(
      "button",
      {
        type: "button",
        class: "step-line",
        title: `${text}\n\n${t`Show in the log`}`,
        onclick: jump,
        dataset: { focus: `command-${phase.key}-${i}` },
      },
      inside,
    ),
  );
}
