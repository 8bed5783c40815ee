// Deciding on an approval: whether something may run, goes on, or what becomes of a failure.

import { post } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { keepDraft } from "../lib/drafts.js";
import { whoAmI } from "../lib/session.js";
import { visible } from "../lib/visible.js";
import { announce } from "./announcer.js";
import { button } from "./buttons.js";
import { askForm } from "./dialogs.js";
import { field, input } from "./fields.js";
import { missing } from "./forms.js";
import { keptNotice } from "./problems.js";
import { codeField } from "./step-up.js";
import { variableField } from "./variable-fields.js";
import { listText, plural, t } from "../lib/language.js";
import { instantOf, zoneName } from "../lib/times.js";

const ENDPOINTS = {
  approve: "/approvals/{approval_id}/approve",
  reject: "/approvals/{approval_id}/reject",
};

const WAYS = {
  run: [
    {
      verb: "approve",
      action: t`Approve`,
      look: "primary",
      about: t`Exactly what this page shows will run, or nothing.`,
      done: t`Approved`,
    },
    {
      verb: "reject",
      action: t`Reject`,
      look: "danger",
      about: t`It will not run.`,
      done: t`Rejected`,
    },
  ],
  pause: [
    {
      verb: "approve",
      action: t`Let it go on`,
      look: "primary",
      about: t`It goes on behind this pause, in the workspace as it is.`,
      done: t`It goes on`,
    },
    {
      verb: "reject",
      action: t`Stop it`,
      look: "danger",
      about: t`Nothing more of it runs but its clean-up phases.`,
      done: t`Stopped`,
    },
  ],
  failure: [
    {
      verb: "approve",
      choice: "retry",
      action: t`Retry`,
      look: "primary",
      about: t`The phase runs again, in the workspace as the failure has left it.`,
      done: t`It is tried again`,
    },
    {
      verb: "approve",
      choice: "skip",
      action: t`Skip`,
      look: "",
      about: t`It goes on behind the phase. The phase stays failed, and so will the automation.`,
      done: t`Skipped`,
    },
    {
      verb: "reject",
      choice: "abort",
      action: t`Abort`,
      look: "danger",
      about: t`The failure stands: nothing more of it runs but its clean-up phases.`,
      done: t`Aborted`,
    },
  ],
};

/** Whether the viewer may still decide so. */
function mayStill(verb, approval) {
  return approval.may_decide && (approval.is_intact || verb === "reject");
}

/** A button for each way in which the viewer may decide; `redraw` is given what came of it. */
export function decisionButtons(approval, redraw) {
  return WAYS[approval.kind]
    .filter((way) => mayStill(way.verb, approval))
    .map((way) =>
      button(t`${way.action}…`, {
        look: way.look === "danger" ? "" : way.look, // red is for the final press
        onclick: () => openDecision(approval, way.action, redraw),
      }),
    );
}

/** Ask for what a decision needs. `way` is its action's text, `typed` a reason typed before. */
export function openDecision(approval, way, redraw, typed = "") {
  const chosen = WAYS[approval.kind].find(({ action }) => action === way);
  if (!chosen || !mayStill(chosen.verb, approval)) return;
  const { verb, choice, action, look, about, done } = chosen;
  const values = verb === "approve" && !isAnswered(approval) ? valueFields(approval) : [];
  const reason = field({
    label: t`Reason`,
    isRequired: approval.needs_reason,
    isOptional: !approval.needs_reason,
    path: "reason",
    help: t`Everybody sees it with your decision.`,
    control: input({ maxlength: 2000, value: typed }),
  });
  const code = approval.needs_totp && codeField();
  const window = approval.kind === "run" && verb === "approve" && windowFields();
  const fields = [...values, reason, ...(window ? Object.values(window) : []), code].filter(
    Boolean,
  );
  const needed = [approval.needs_reason && reason, code].filter(Boolean);
  const send = () => {
    const body = {
      reason: reason.control.value.trim(),
      totp: code ? code.control.value.trim() : "",
    };
    if (approval.evidence) body.evidence_digest = approval.evidence.digest;
    if (choice) body.choice = choice;
    if (window)
      for (const [name, { control }] of Object.entries(window))
        if (control.value) body[name] = instantOf(control.value);
    if (values.length)
      body.values = Object.fromEntries(values.map((each) => [each.variable.id, each.value()]));
    return post(ENDPOINTS[verb], { path: { approval_id: approval.id }, body });
  };
  askForm({
    title: `${action}: ${approval.template}`,
    above: [h("p", {}, about), typed && keptNotice()],
    fields,
    check: () => [...values.flatMap((each) => each.problems()), ...missing(needed)],
    send,
    action,
    look,
    closed: keepDraft("decision", () => ({ way: action, reason: reason.control.value })),
    done: (decided) => {
      redraw(decided);
      announce(ownDecision(decided) || done);
    },
  });
}

/** What the viewer has agreed to and who comes next, as long as others are asked; "" otherwise. */
export function ownDecision({ state, may_decide: mayDecide, waiting_for: waiting, gates }) {
  if (state !== "pending" || mayDecide) return "";
  const own = gates.filter(({ decisions }) => decisions.some(isOwnApproval));
  if (!own.length) return "";
  const next = gates.filter((gate) => gate.state === "open");
  if (!next.length || next.some((gate) => own.includes(gate)))
    return visible(t`You approved; it still waits for ${waiting}`);
  const names = listText(next.map(({ name }) => name));
  return visible(
    plural(next.length, {
      one: t`You approved; ${names} comes next`,
      other: t`You approved; ${names} come next`,
    }),
  );
}

function isOwnApproval({ person, verdict }) {
  return verdict === "approve" && person.id === whoAmI().user.id;
}

/** When it may begin, in the person's time zone; empty for any time. */
function windowFields() {
  const time = (path, label, help) =>
    field({ label, isOptional: true, path, help, control: input({ type: "datetime-local" }) });
  return {
    not_before: time(
      "not_before",
      t`Not before`,
      t`It waits until then. In the time zone ${zoneName()}.`,
    ),
    not_after: time("not_after", t`Not after`, t`If it has not begun by then it expires.`),
  };
}

function isAnswered(approval) {
  return Object.keys(approval.given).length > 0;
}

function valueFields(approval) {
  return approval.asked_variables.map((variable) => variableField(variable, undefined, () => {}));
}
