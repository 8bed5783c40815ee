// Cancelling an automation: who may, and what is asked before.

import { post } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { may, whoAmI } from "../lib/session.js";
import { announce } from "./announcer.js";
import { askForm } from "./dialogs.js";
import { field, input } from "./fields.js";
import { t } from "../lib/language.js";

const TYPED_LABEL = "opsicle.io/confirm-cancel";

/** Whether the person may cancel an automation that is not over. */
export function mayCancel(automation) {
  return automation.requester.id === whoAmI().user.id || may("automations.cancel_any");
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
