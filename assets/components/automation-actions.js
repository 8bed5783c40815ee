// What a person can do with an automation: cancel it, go on where it failed, run it again.

import { post } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { here, navigate } from "../lib/router.js";
import { may, whoAmI } from "../lib/session.js";
import { draftPath } from "../lib/templates.js";
import { announce } from "./announcer.js";
import { button, buttonLink, copyButton } from "./buttons.js";
import { askForm, confirm } from "./dialogs.js";
import { field, input } from "./fields.js";
import { rerunButton } from "./rerun-dialog.js";
import { resumeButton } from "./resume-dialog.js";
import { isFinal } from "./states.js";
import { t } from "../lib/language.js";

const TYPED_LABEL = "opsicle.io/confirm-cancel";

/** The buttons that fit the automation's state and the person's role, and one that shares it. */
export function automationActions(automation) {
  return [copyButton(() => location.href, t`Share`), ...changes(automation)];
}

function changes(automation) {
  if (!isFinal(automation.state)) {
    if (!mayCancel(automation)) return [];
    const isAsked = automation.is_cancel_requested;
    return [
      button(isAsked ? t`Cancelling…` : t`Cancel…`, {
        name: "cancelled",
        disabled: isAsked,
        dataset: { focus: "cancel" },
        onclick: () => confirmCancel(automation),
      }),
    ];
  }
  return [
    automation.is_group_held &&
      mayCancel(automation) &&
      button(t`Release its group…`, {
        name: "check",
        dataset: { focus: "release" },
        onclick: () => confirmRelease(automation),
      }),
    mayRunAgain(automation) && resumeButton(automation),
    mayRunAgain(automation) && rerunButton(automation),
    automation.draft && may("templates.push") && editLink(automation),
  ];
}

/** Whether the person may run the same again; a draft is for those who could as well push it. */
function mayRunAgain({ draft }) {
  return may("automations.create") && (!draft || may("templates.push"));
}

function editLink({ template, draft }) {
  return buttonLink(t`Edit the draft`, draftPath({ name: template, id: draft }), {
    name: "templates",
  });
}

/** Whether the person may cancel an automation that is not over. */
export function mayCancel(automation) {
  return automation.requester.id === whoAmI().user.id || may("automations.cancel_any");
}

function confirmRelease({ id, template, concurrency_group: group }) {
  confirm({
    title: t`Release ${group}?`,
    text: t`Nobody can say how ${template} ended, and its commands may still run on the worker that was lost. Look at the target first: the others of the group begin at once.`,
    back: t`Keep it held`,
    action: t`Release the group`,
    run: () => post("/automations/{automation_id}/release", { path: { automation_id: id } }),
    done: () => {
      announce(t`Released`);
      navigate(here(), { isReplacing: true }); // it has ended, so nothing else brings the news
    },
  });
}

/** Ask whether to cancel it; a label of its template may ask that its name is typed. */
export function confirmCancel(automation) {
  const isRunning = ["running", "paused"].includes(automation.state);
  const path = { automation_id: automation.id };
  const { template, labels } = automation;
  const typed =
    labels[TYPED_LABEL] === "true" &&
    field({
      label: t`Type ${template} to confirm`,
      path: "name",
      isRequired: true,
      control: input({ autocomplete: "off", spellcheck: "false" }),
    });
  const text = isRunning
    ? t`Its commands are told to stop and killed 10 seconds later. What they have done up to then stays done; phases with “when: always” still run.`
    : t`It has not started, so nothing was done.`;
  askForm({
    title: t`Cancel ${template}?`,
    above: h("p", {}, text),
    fields: typed ? [typed] : [],
    check: () =>
      typed && typed.control.value.trim() !== template
        ? [{ path: "name", message: t`must be ${template}` }]
        : [],
    back: isRunning ? t`Let it run` : t`Let it wait`,
    action: t`Cancel the automation`,
    look: "danger",
    send: () => post("/automations/{automation_id}/cancel", { path }),
    done: () => announce(t`Cancelling`),
  });
}
