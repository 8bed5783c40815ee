// What a person can do with an automation: cancel it, go on where it failed, run it again.

import { post } from "../lib/api.js";
import { here, navigate } from "../lib/router.js";
import { may } from "../lib/session.js";
import { draftPath } from "../lib/templates.js";
import { announce } from "./announcer.js";
import { button, buttonLink, copyButton } from "./buttons.js";
import { confirmCancel, mayCancel } from "./cancelling.js";
import { confirm } from "./dialogs.js";
import { rerunButton } from "./rerun-dialog.js";
import { mayRunAgain, resumeButton } from "./resume-dialog.js";
import { isFinal } from "./states.js";
import { t } from "../lib/language.js";

/** The buttons that fit the automation's state and the person's role, and one that shares it. */
export function automationActions(automation) {
  return [shareButton(), ...changes(automation)];
}

function shareButton() {
  const share = copyButton(() => location.href, t`Share`);
  share.classList.add("is-short"); // on a telephone its icon says enough
  share.title = t`Share`;
  return share;
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

function editLink({ template, draft }) {
  return buttonLink(t`Edit the draft`, draftPath({ name: template, id: draft }), {
    name: "templates",
  });
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
