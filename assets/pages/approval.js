// One approval: who asks and why, what exactly will run, who else must agree, and the decision.

import { boundCalls, startedAfterwards } from "../components/chain.js";
import { button } from "../components/buttons.js";
import { diffView } from "../components/diff.js";
import { decisionButtons, openDecision, ownDecision } from "../components/decisions.js";
import { confirm } from "../components/dialogs.js";
import { valueView } from "../components/files.js";
import { pageHeading } from "../components/headings.js";
import { keepFresh } from "../components/live.js";
import { loadInto } from "../components/loading.js";
import { noticeBox, sentence } from "../components/problems.js";
import { stateBadge } from "../components/states.js";
import { commandList, phasesView } from "../components/steps.js";
import { fanOutText } from "../components/targets.js";
import { get, post } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { takeDraft } from "../lib/drafts.js";
import { markdown } from "../lib/markdown.js";
import { queueTexts, wantedLabels } from "../lib/placement.js";
import { here } from "../lib/router.js";
import { ago, countdown, durationText, exactTime } from "../lib/times.js";
import { visible, visibleInLog, visibleLine, visibleValue } from "../lib/visible.js";

const GATE_STATES = {
  waiting: "Comes after the one before",
  open: "Waits for a decision",
  passed: "Has agreed",
  rejected: "Has refused",
  expired: "Did not decide in time",
};

export function mount(root, { id, title }) {
  const page = new AbortController();
  const { signal } = page;
  const content = h("div", {}, pageHeading(title));
  const trouble = h("div", {});
  root.append(trouble, content);
  const load = () => get("/approvals/{approval_id}", { path: { approval_id: id }, signal });
  let shown = "";
  const draw = (approval) => {
    if (JSON.stringify(approval) === shown) return;
    shown = JSON.stringify(approval);
    replace(content, view(approval, draw));
  };
  loadInto(content, signal, load, (approval) => {
    draw(approval);
    const kept = takeDraft("decision", here());
    if (kept) openDecision(approval, kept.way, draw, kept.reason);
    keepFresh(async () => draw(await load()), { trouble, signal });
  });
  return () => page.abort();
}

function view(approval, redraw) {
  return [
    heading(approval),
    !approval.is_intact &&
      noticeBox(
        "bad",
        h("strong", {}, "What is stored is not what was asked for"),
        h("p", {}, "Nobody can agree to it."),
      ),
    question(approval),
    approval.resumed_from && resumedFrom(approval),
    approval.calls.length > 0 && callsOf(approval),
    approval.explanation && noticeBox("note", h("p", {}, sentence(approval.explanation))),
    standing(approval),
    h(
      "div",
      { class: "columns" },
      h(
        "section",
        {},
        approval.evidence && evidenceView(approval.evidence),
        h("h2", {}, approval.kind === "run" ? "What will run" : "What it runs, all in all"),
        phasesView(approval),
        h("h2", {}, "With these values"),
        valuesView(approval),
        approval.kind === "run" && [h("h2", {}, "What is new"), comparison(approval)],
      ),
      h(
        "section",
        { class: "aside" },
        h("h2", {}, approval.kind === "failure" ? "Who may choose" : "Who must agree"),
        gates(approval),
        h("h2", {}, "Where"),
        where(approval),
      ),
    ),
    decideBar(approval, redraw),
  ];
}

function heading(approval) {
  return pageHeading(titleOf(approval), {
    above: [
      h("a", { href: "/approvals" }, "Approvals"),
      " / ",
      `${approval.template} version ${approval.version}`,
    ],
    beside: stateBadge(approval.state),
    below: [
      h(
        "p",
        {},
        h("strong", {}, visible(approval.requester.email)),
        " asked ",
        ago(approval.asked_at),
        approval.expires_at && [", open for ", countdown(approval.expires_at)],
        " · ",
        h("a", { href: `/automations/${approval.automation_id}` }, "the automation"),
      ),
      h(
        "p",
        { class: "lead" },
        approval.reason
          ? visibleLine(approval.reason)
          : h("span", { class: "muted" }, "No reason was given."),
      ),
    ],
  });
}

function titleOf({ kind, phase, display_name: name, template }) {
  const title = visible(name || template);
  if (kind === "pause") return `May ${title} go on?`;
  return kind === "failure" ? `${title} failed at ${visible(phase)}` : `Run ${title}?`;
}

/** What a job asks in its midst, what was given with it, and where its log is. */
function question({ kind, phase, message, given, asked_variables: asked, automation_id: id }) {
  if (kind === "run") return null;
  const log = h("a", { href: `/automations/${id}` }, "its log");
  const names = Object.keys(given);
  const labels = labelsOf(asked);
  return noticeBox(
    "note",
    h(
      "strong",
      {},
      kind === "pause" ? `It waits at ${visible(phase)}` : "What is to become of it?",
    ),
    message && h("p", { class: "lead" }, visibleLine(message)),
    h("p", {}, "Look at ", log, " before you decide."),
    names.length > 0 &&
      pairs(names.map((name) => [labels.get(name) || name, visibleValue(given[name])])),
  );
}

/** What it calls, whose approval is asked together with its own. */
function callsOf({ calls }) {
  return noticeBox(
    "note",
    h("strong", {}, "It calls other templates, which this is the approval of as well:"),
    boundCalls(calls),
  );
}

/** Where it goes on that another one has left, and what it is handed. */
function resumedFrom({ resumed_from: point, phases }) {
  const { automation_id: id, first_phase: first, outputs, answers, workspace: kept } = point;
  const handed = Object.entries(Object.assign({}, ...Object.values(outputs), answers));
  const done = phases.slice(0, first).map((phase) => phase.name);
  const earlier = h("a", { href: `/automations/${id}` }, "an earlier automation");
  return noticeBox(
    "note",
    h(
      "strong",
      {},
      visible(`It goes on at phase ${first + 1} of ${phases.length}, ${phases[first].name}`),
    ),
    first > 0
      ? h("p", {}, "Done before, in ", earlier, `, and not run again: ${visible(done.join(", "))}.`)
      : h("p", {}, "It follows ", earlier, ", which did not get past its first phase."),
    kept && h("p", {}, visible(`In the workspace that ${kept.worker_name} keeps.`)),
    handed.length > 0 && h("p", {}, "It is handed:"),
    handed.length > 0 &&
      pairs(handed.map(([name, value]) => [visible(name), h("code", {}, visibleValue(value))])),
  );
}

function standing(approval) {
  const { state, may_decide: mayDecide, stuck, policy_change: policyChange } = approval;
  const isWaiting = state === "pending" && !mayDecide && !stuck;
  const own = ownDecision(approval);
  return [
    stuck && noticeBox("warn", h("p", {}, `${sentence(stuck)}.`)),
    policyChange &&
      noticeBox("warn", h("p", {}, `It would not run as it was asked: ${visible(policyChange)}.`)),
    approval.window && noticeBox("note", h("p", {}, `It may begin ${visible(approval.window)}.`)),
    isWaiting &&
      noticeBox("note", h("p", {}, `${own || `It waits for ${visible(approval.waiting_for)}`}.`)),
  ];
}

/** What the viewer may do about it, in the order of reading below all that it is about. */
function decideBar(approval, redraw) {
  const actions = actionsOf(approval, redraw);
  return actions.length > 0 && h("div", { class: "form-actions decide" }, actions);
}

function actionsOf(approval, redraw) {
  const withdraw = () => openWithdrawal(approval, redraw);
  return [
    ...decisionButtons(approval, redraw),
    approval.may_withdraw && button("Withdraw…", { onclick: withdraw }),
  ].filter(Boolean);
}

function openWithdrawal(approval, redraw) {
  confirm({
    title: "Withdraw the request?",
    text: "Nobody is asked any more, and the automation is cancelled.",
    action: "Withdraw",
    run: () => post("/approvals/{approval_id}/withdraw", { path: { approval_id: approval.id } }),
    done: redraw,
  });
}

function valuesView({ values, variables, files }) {
  const names = Object.keys(values);
  if (!names.length) return h("p", { class: "muted" }, "It takes none.");
  const labels = labelsOf(variables);
  return pairs(
    names.map((name) => [labels.get(name) || name, valueView(name, values[name], files)]),
  );
}

function where(approval) {
  const labels = wantedLabels(approval);
  const facts = [
    [approval.fan_out ? "Labels" : "Worker’s labels", visible(labels.join(", ")) || "any"],
    ["In the queue", visible(queueTexts(approval).join(", ")) || "like others"],
    [
      approval.fan_out ? "Runs on each of" : "Workers that fit",
      visible(approval.workers.join(", ")) || "none is connected",
    ],
    approval.fan_out && ["How many", fanOutText(approval.fan_out)],
    approval.keep_workspace && [
      "Its workspace",
      `kept for ${durationText(approval.keep_workspace * 1000)} if it does not go well`,
    ],
    ...startedAfterwards(approval),
    ["Policy", policyText(approval)],
    ["Manifest (SHA-256)", h("code", { class: "command" }, approval.manifest_digest)],
  ];
  return pairs(facts.filter(Boolean));
}

/** Several policies that apply by themselves together have no version. */
function policyText({ policy, policy_version: version }) {
  if (!policy) return "in the template";
  return version ? `${policy} version ${version}` : policy;
}

function gates({ gates: all, order, state }) {
  const isOver = state !== "pending";
  return [
    order === "sequential" && all.length > 1 && h("p", { class: "muted" }, "One after the other."),
    h(
      "ol",
      { class: "plan" },
      all.map((gate) => gateView(gate, isOver)),
    ),
  ];
}

function gateView(gate, isOver) {
  const facts = [
    `${gate.required} must agree`,
    gate.require_mfa && "with a code",
    gate.require_reason && "with a reason",
  ].filter(Boolean);
  return h(
    "li",
    { class: "plan-phase" },
    h(
      "h3",
      {},
      visible(gate.name),
      h(
        "span",
        { class: "plan-facts" },
        facts.map((fact) => h("span", { class: "fact" }, fact)),
      ),
    ),
    h(
      "p",
      {},
      isOver && gate.state === "waiting" ? "Was not asked any more" : GATE_STATES[gate.state],
    ),
    gate.decisions.map((each) =>
      h(
        "p",
        {},
        h("strong", {}, visible(each.person.email)),
        verdictText(each),
        windowText(each),
        ago(each.decided_at),
        each.reason && `: ${visibleLine(each.reason)}`,
      ),
    ),
    gate.waits_for.length > 0 &&
      h(
        "p",
        { class: "muted" },
        `May decide: ${visible(gate.waits_for.map((person) => person.email).join(", "))}`,
      ),
  );
}

function verdictText({ verdict, choice }) {
  if (choice) return ` chose to ${choice} `;
  return verdict === "approve" ? " agreed " : " refused ";
}

/** In which window somebody let it begin, in the browser's time zone. */
function windowText({ not_before: from, not_after: until }) {
  const times = [from && `not before ${exactTime(from)}`, until && `not after ${exactTime(until)}`];
  const words = times.filter(Boolean).join(", ");
  return words && `(${words}) `;
}

/** What a plan has shown before anybody was asked. */
function evidenceView({
  phases,
  outputs,
  summary,
  log,
  log_bytes: bytes,
  is_log_cut: isCut,
  digest,
}) {
  const names = Object.keys(outputs);
  return [
    h("h2", {}, "What its plan has shown"),
    h(
      "ol",
      { class: "plan" },
      phases.map((phase) =>
        h(
          "li",
          { class: "plan-phase" },
          h("h3", {}, visible(phase.name), " ", stateBadge(phase.state)),
          phase.explanation && h("p", {}, visible(phase.explanation)),
          commandList(phase.commands),
        ),
      ),
    ),
    summary && h("div", { class: "markdown" }, markdown(summary)),
    names.length > 0 && pairs(names.map((name) => [name, visibleValue(outputs[name])])),
    isCut && h("p", { class: "muted" }, `The end of ${bytes} bytes of log:`),
    h(
      "pre",
      { class: "artifact-text", tabindex: "0", "aria-label": "Log of the plan" },
      visibleInLog(log),
    ),
    pairs([["Evidence (SHA-256)", h("code", { class: "command" }, digest)]]),
  ];
}

function comparison({ compared, variables }) {
  if (!compared) return h("p", { class: "muted" }, "No earlier run of this template was approved.");
  const labels = labelsOf(variables);
  return [
    h(
      "p",
      { class: "muted" },
      "Since ",
      h("a", { href: `/automations/${compared.automation_id}` }, "the last approved run"),
      `, of version ${compared.version}:`,
    ),
    compared.values.length > 0 &&
      pairs(
        compared.values.map(({ id, before, after }) => [
          labels.get(id) || id,
          `${said(before)} → ${said(after)}`,
        ]),
      ),
    compared.diff && diffView(compared.diff),
    !compared.diff && !compared.values.length && h("p", {}, "Nothing is different."),
  ];
}

function labelsOf(variables) {
  return new Map(variables.map((variable) => [variable.id, variable.label]));
}

function said(value) {
  return value === null ? "nothing" : visibleValue(value);
}

function pairs(rows) {
  return h(
    "dl",
    { class: "values" },
    rows.map(([name, value]) => [h("dt", {}, visible(name)), h("dd", {}, value)]),
  );
}
