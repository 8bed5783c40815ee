// One approval: who asks and why, what exactly will run, who else must agree, and the decision.

import { boundCalls, startedAfterwards } from "../components/chain.js";
import { button } from "../components/buttons.js";
import { diffView } from "../components/diff.js";
import { decisionButtons, openDecision, ownDecision } from "../components/decisions.js";
import { confirm } from "../components/dialogs.js";
import { evidenceView } from "../components/evidence.js";
import { valueView } from "../components/files.js";
import { pageHeading } from "../components/headings.js";
import { keepFresh } from "../components/live.js";
import { loadInto } from "../components/loading.js";
import { pairs } from "../components/pairs.js";
import { noticeBox, sentence } from "../components/problems.js";
import { stateBadge } from "../components/states.js";
import { phasesView } from "../components/steps.js";
import { fanOutText } from "../components/targets.js";
import { get, post } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { takeDraft } from "../lib/drafts.js";
import { number, plural, t } from "../lib/language.js";
import { queueTexts, wantedLabels } from "../lib/placement.js";
import { here } from "../lib/router.js";
import { said as ofServer } from "../lib/server-texts.js";
import { versionText } from "../lib/templates.js";
import { ago, countdown, durationText, exactTime } from "../lib/times.js";
import { visible, visibleLine, visibleValue } from "../lib/visible.js";

const GATE_STATES = {
  waiting: t`Comes after the one before`,
  open: t`Waits for a decision`,
  passed: t`Has agreed`,
  rejected: t`Has refused`,
  expired: t`Did not decide in time`,
};

const ABSENT = ", which "; // behind it stands why a worker takes nothing

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
        h("strong", {}, t`What is stored is not what was asked for`),
        h("p", {}, t`Nobody can agree to it.`),
      ),
    question(approval),
    approval.resume_point && resumedFrom(approval),
    approval.calls.length > 0 && callsOf(approval),
    approval.explanation && noticeBox("note", h("p", {}, sentence(approval.explanation))),
    statusLine(approval),
    h(
      "div",
      { class: "columns" },
      h(
        "section",
        {},
        approval.evidence && evidenceView(approval.evidence),
        h("h2", {}, approval.kind === "run" ? t`What will run` : t`What it runs, all in all`),
        phasesView(approval),
        h("h2", {}, t`With these values`),
        valuesView(approval),
        approval.kind === "run" && [h("h2", {}, t`What is new`), comparison(approval)],
      ),
      h(
        "section",
        { class: "aside" },
        h("h2", {}, approval.kind === "failure" ? t`Who may choose` : t`Who must agree`),
        gates(approval),
        h("h2", {}, t`Where`),
        where(approval),
      ),
    ),
    decideBar(approval, redraw),
  ];
}

function heading(approval) {
  return pageHeading(titleOf(approval), {
    above: [
      h("a", { href: "/approvals" }, t`Approvals`),
      " / ",
      `${approval.template} ${versionText(approval.version)}`,
    ],
    beside: stateBadge(approval.state),
    below: [
      h(
        "p",
        {},
        askedText(approval),
        " · ",
        h("a", { href: `/automations/${approval.automation_id}` }, t`the automation`),
      ),
      h(
        "p",
        { class: "lead" },
        approval.reason
          ? visibleLine(approval.reason)
          : h("span", { class: "muted" }, t`No reason was given.`),
      ),
    ],
  });
}

function askedText({ requester, asked_at: at, expires_at: until }) {
  const who = h("strong", {}, visible(requester.email));
  return until
    ? t`${who} asked ${ago(at)}, open for ${countdown(until)}`
    : t`${who} asked ${ago(at)}`;
}

function titleOf({ kind, phase, display_name: name, template }) {
  const title = visible(name || template);
  if (kind === "pause") return t`May ${title} go on?`;
  return kind === "failure" ? t`${title} failed at ${visible(phase)}` : t`Run ${title}?`;
}

/** What a job asks in its midst, what was given with it, and where its log is. */
function question({ kind, phase, message, given, asked_variables: asked, automation_id: id }) {
  if (kind === "run") return null;
  const log = h("a", { href: `/automations/${id}` }, t`its log`);
  const names = Object.keys(given);
  const labels = labelsOf(asked);
  return noticeBox(
    "note",
    h(
      "strong",
      {},
      kind === "pause" ? t`It waits at ${visible(phase)}` : t`What is to become of it?`,
    ),
    message && h("p", { class: "lead" }, visibleLine(message)),
    h("p", {}, t`Look at ${log} before you decide.`),
    names.length > 0 &&
      pairs(names.map((name) => [labels.get(name) || name, visibleValue(given[name])])),
  );
}

/** What it calls, whose approval is asked together with its own. */
function callsOf({ calls }) {
  return noticeBox(
    "note",
    h("strong", {}, t`It calls other templates, which this is the approval of as well:`),
    boundCalls(calls),
  );
}

/** Where it goes on that another one has left, and what it is handed. */
function resumedFrom({ resume_point: point, phases }) {
  const { automation_id: id, first_phase: first, outputs, answers, workspace: kept } = point;
  const handed = Object.entries(Object.assign({}, ...Object.values(outputs), answers));
  const done = phases.slice(0, first).map((phase) => phase.name);
  const earlier = h("a", { href: `/automations/${id}` }, t`an earlier automation`);
  return noticeBox(
    "note",
    h(
      "strong",
      {},
      visible(t`It goes on at phase ${first + 1} of ${phases.length}, ${phases[first].name}`),
    ),
    first > 0
      ? h("p", {}, t`Done before, in ${earlier}, and not run again: ${visible(done.join(", "))}.`)
      : h("p", {}, t`It follows ${earlier}, which did not get past its first phase.`),
    kept && h("p", {}, visible(t`In the workspace that ${kept.worker_name} keeps.`)),
    handed.length > 0 && h("p", {}, t`It is handed:`),
    handed.length > 0 &&
      pairs(handed.map(([name, value]) => [visible(name), h("code", {}, visibleValue(value))])),
  );
}

function statusLine(approval) {
  const { state, may_decide: mayDecide, stuck, policy_change: policyChange } = approval;
  const isWaiting = state === "pending" && !mayDecide && !stuck;
  const own = ownDecision(approval);
  return [
    stuck && noticeBox("warn", h("p", {}, `${sentence(stuck)}.`)),
    policyChange &&
      noticeBox("warn", h("p", {}, t`It would not run as it was asked: ${visible(policyChange)}.`)),
    approval.window && noticeBox("note", h("p", {}, t`It may begin ${visible(approval.window)}.`)),
    isWaiting &&
      noticeBox(
        "note",
        h("p", {}, `${own || t`It waits for ${visible(ofServer(approval.waiting_for))}`}.`),
      ),
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
    approval.may_withdraw && button(t`Withdraw…`, { onclick: withdraw }),
  ].filter(Boolean);
}

function openWithdrawal(approval, redraw) {
  confirm({
    title: t`Withdraw the request?`,
    text: t`Nobody is asked any more, and the automation is cancelled.`,
    action: t`Withdraw`,
    run: () => post("/approvals/{approval_id}/withdraw", { path: { approval_id: approval.id } }),
    done: redraw,
  });
}

function valuesView({ values, variables, files }) {
  const names = Object.keys(values);
  if (!names.length) return h("p", { class: "muted" }, t`It takes none.`);
  const labels = labelsOf(variables);
  return pairs(
    names.map((name) => [labels.get(name) || name, valueView(name, values[name], files)]),
  );
}

function where(approval) {
  const labels = wantedLabels(approval);
  const facts = [
    [approval.fan_out ? t`Labels` : t`Worker’s labels`, visible(labels.join(", ")) || t`any`],
    [t`In the queue`, visible(queueTexts(approval).join(", ")) || t`like others`],
    [approval.fan_out ? t`Runs on each of` : t`Workers that fit`, workersText(approval)],
    approval.fan_out && [t`How many`, fanOutText(approval.fan_out)],
    approval.keep_workspace && [
      t`Its workspace`,
      t`kept for ${durationText(approval.keep_workspace * 1000)} if it does not go well`,
    ],
    ...startedAfterwards(approval),
    [t`Policy`, policyText(approval)],
    [t`Manifest (SHA-256)`, h("code", { class: "command" }, approval.manifest_digest)],
  ];
  return pairs(facts.filter(Boolean));
}

/** Those that are there; where none is, who would fit is not said to do so. */
function workersText({ workers, fan_out: fanOut }) {
  const names = visible(workers.map(workerText).join(", "));
  if (!names) return t`none is connected`;
  const isAnyHere = fanOut || workers.some((text) => !text.includes(ABSENT));
  return isAnyHere ? names : t`none is connected; these would: ${names}`;
}

/** A worker's name, and why it is not there if none is. */
function workerText(text) {
  const [name, why] = text.split(ABSENT);
  return why ? t`${name}, which ${ofServer(why)}` : name;
}

/** Several policies that apply by themselves together have no version. */
function policyText({ policy, policy_version: version }) {
  if (!policy) return t`in the template`;
  return version ? t`${policy} version ${version}` : policy;
}

function gates({ gates: all, order, state }) {
  const isOver = state !== "pending";
  return [
    order === "sequential" && all.length > 1 && h("p", { class: "muted" }, t`One after the other.`),
    h(
      "ol",
      { class: "plan" },
      all.map((gate) => gateView(gate, isOver)),
    ),
  ];
}

function gateView(gate, isOver) {
  const facts = [
    plural(gate.required, {
      one: t`one person must agree`,
      other: t`${number(gate.required)} people must agree`,
    }),
    gate.require_mfa && t`with a code`,
    gate.require_reason && t`with a reason`,
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
      isOver && gate.state === "waiting" ? t`Was not asked any more` : GATE_STATES[gate.state],
    ),
    gate.decisions.map((each) =>
      h(
        "p",
        {},
        verdictText(each),
        " ",
        windowText(each),
        ago(each.decided_at),
        each.reason && `: ${visibleLine(each.reason)}`,
      ),
    ),
    gate.waits_for.length > 0 &&
      h(
        "p",
        { class: "muted" },
        t`May decide: ${visible(gate.waits_for.map((person) => person.email).join(", "))}`,
      ),
  );
}

function verdictText({ person, verdict, choice }) {
  const who = h("strong", {}, visible(person.email));
  if (choice) return t`${who} chose to ${choice}`;
  return verdict === "approve" ? t`${who} agreed` : t`${who} refused`;
}

/** In which window somebody let it begin, in the browser's time zone. */
function windowText({ not_before: from, not_after: until }) {
  const times = [
    from && t`not before ${exactTime(from)}`,
    until && t`not after ${exactTime(until)}`,
  ];
  const words = times.filter(Boolean).join(", ");
  return words && `(${words}) `;
}

function comparison({ compared, variables }) {
  if (!compared)
    return h("p", { class: "muted" }, t`No earlier run of this template was approved.`);
  const labels = labelsOf(variables);
  return [
    h("p", { class: "muted" }, sinceText(compared)),
    compared.changed_values.length > 0 &&
      pairs(
        compared.changed_values.map(({ id, before, after }) => [
          labels.get(id) || id,
          `${said(before)} → ${said(after)}`,
        ]),
      ),
    compared.diff && diffView(compared.diff),
    !compared.diff && !compared.changed_values.length && h("p", {}, t`Nothing is different.`),
  ];
}

function sinceText({ automation_id: id, version }) {
  const link = h("a", { href: `/automations/${id}` }, t`the last approved run`);
  return version ? t`Since ${link}, of version ${version}:` : t`Since ${link} of this draft:`;
}

function labelsOf(variables) {
  return new Map(variables.map((variable) => [variable.id, variable.label]));
}

function said(value) {
  return value === null ? t`nothing` : visibleValue(value);
}
