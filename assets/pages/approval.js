// One approval: who asks and why, what exactly will run, who else must agree, and the decision.

import { announce } from "../components/announcer.js";
import { button } from "../components/buttons.js";
import { diffView } from "../components/diff.js";
import { askForm, confirm } from "../components/dialogs.js";
import { field, input } from "../components/fields.js";
import { pageHeading } from "../components/headings.js";
import { keepFresh } from "../components/live.js";
import { loadInto } from "../components/loading.js";
import { keptNotice, noticeBox, sentence } from "../components/problems.js";
import { stateBadge } from "../components/states.js";
import { codeField } from "../components/step-up.js";
import { planView } from "../components/steps.js";
import { get, post } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { keepDraft, takeDraft } from "../lib/drafts.js";
import { queueTexts, wantedLabels } from "../lib/placement.js";
import { here } from "../lib/router.js";
import { ago, countdown } from "../lib/times.js";
import { visible, visibleLine, visibleValue } from "../lib/visible.js";

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
    if (kept && mayStill(kept.verb, approval)) openDecision(approval, kept.verb, draw, kept.reason);
    keepFresh(async () => draw(await load()), { trouble, signal });
  });
  return () => page.abort();
}

function mayStill(verb, approval) {
  return approval.may_decide && (approval.is_intact || verb === "reject");
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
    approval.explanation && noticeBox("note", h("p", {}, sentence(approval.explanation))),
    decisions(approval, redraw),
    h(
      "div",
      { class: "columns" },
      h(
        "section",
        {},
        h("h2", {}, "What will run"),
        planView(approval),
        h("h2", {}, "With these values"),
        valuesView(approval),
        h("h2", {}, "What is new"),
        comparison(approval),
      ),
      h(
        "section",
        { class: "aside" },
        h("h2", {}, "Who must agree"),
        gates(approval),
        h("h2", {}, "Where"),
        where(approval),
      ),
    ),
  ];
}

function heading(approval) {
  const title = visible(approval.display_name || approval.template);
  return pageHeading(`Run ${title}?`, {
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

function decisions(approval, redraw) {
  const { state, may_decide: mayDecide, stuck, stricter_since: stricter } = approval;
  const isWaiting = state === "pending" && !mayDecide && !stuck;
  const actions = decisionButtons(approval, redraw);
  return [
    stuck && noticeBox("warn", h("p", {}, `${sentence(stuck)}.`)),
    stricter &&
      noticeBox("warn", h("p", {}, `It would not run as it was asked: ${visible(stricter)}.`)),
    isWaiting && noticeBox("note", h("p", {}, `It waits for ${visible(approval.waiting_for)}.`)),
    actions.length > 0 && h("div", { class: "form-actions decide" }, actions),
  ];
}

function decisionButtons(approval, redraw) {
  const open = (verb) => () => openDecision(approval, verb, redraw);
  const withdraw = () => openWithdrawal(approval, redraw);
  return [
    mayStill("approve", approval) &&
      button("Approve…", { look: "primary", onclick: open("approve") }),
    mayStill("reject", approval) && button("Reject…", { look: "danger", onclick: open("reject") }),
    approval.may_withdraw && button("Withdraw…", { onclick: withdraw }),
  ].filter(Boolean);
}

const DECISIONS = {
  approve: {
    endpoint: "/approvals/{approval_id}/approve",
    action: "Approve",
    look: "primary",
    about: "Exactly what this page shows will run, or nothing.",
    done: "Approved",
  },
  reject: {
    endpoint: "/approvals/{approval_id}/reject",
    action: "Reject",
    look: "danger",
    about: "It will not run.",
    done: "Rejected",
  },
};

function openDecision(approval, verb, redraw, typed = "") {
  const { endpoint, action, look, about, done } = DECISIONS[verb];
  const reason = field({
    label: "Reason",
    path: "reason",
    isRequired: approval.needs_reason,
    help: "Everybody sees it with your decision.",
    control: input({ maxlength: 2000, value: typed }),
  });
  const code = approval.needs_totp && codeField();
  const send = () => {
    const body = {
      reason: reason.control.value.trim(),
      totp: code ? code.control.value.trim() : "",
    };
    return post(endpoint, { path: { approval_id: approval.id }, body });
  };
  askForm({
    title: `${action} ${approval.template}?`,
    above: [h("p", {}, about), typed && keptNotice()],
    fields: [reason, code].filter(Boolean),
    send,
    action,
    look,
    closed: keepDraft("decision", () => ({ verb, reason: reason.control.value })),
    done: (decided) => {
      redraw(decided);
      announce(done);
    },
  });
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

function valuesView({ values, variables }) {
  const names = Object.keys(values);
  if (!names.length) return h("p", { class: "muted" }, "It takes none.");
  const labels = labelsOf(variables);
  return pairs(
    names.map((name) => [labels.get(name) || name, h("code", {}, visibleValue(values[name]))]),
  );
}

function where(approval) {
  const labels = wantedLabels(approval);
  return pairs([
    ["Worker’s labels", visible(labels.join(", ")) || "any worker"],
    ["In the queue", visible(queueTexts(approval).join(", ")) || "like others"],
    ["Workers that fit", visible(approval.workers.join(", ")) || "none is connected"],
    ["Policy", policyText(approval)],
    ["Manifest (SHA-256)", h("code", { class: "command" }, approval.manifest_digest)],
  ]);
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
        each.verdict === "approve" ? " agreed " : " refused ",
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
