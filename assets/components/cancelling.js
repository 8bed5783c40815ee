// Cancelling automations: who may, and what is asked before.

import { get, post } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { number, plural, t } from "../lib/language.js";
import { may, whoAmI } from "../lib/session.js";
import { announce } from "./announcer.js";
import { askForm } from "./dialogs.js";
import { field, input } from "./fields.js";
import { isFinal, stateText } from "./states.js";
import { whatRuns } from "./targets.js";

const TYPED_LABEL = "opsicle.io/confirm-cancel";
const STOPS = t`Its commands are told to stop and killed 10 seconds later. What they have done up to then stays done; phases with “when: always” still run.`;

/** Whether the person may cancel an automation that is not over. */
export function mayCancel(automation) {
  return automation.requester.id === whoAmI().user.id || may("automations.cancel_any");
}

/** Ask whether to cancel it; a label of its template may ask that its name is typed. */
export function confirmCancel(automation) {
  const { template } = automation;
  const typed =
    isTyped(automation) &&
    field({
      label: t`Type ${template} to confirm`,
      path: "name",
      isRequired: true,
      control: input({ autocomplete: "off", spellcheck: "false" }),
    });
  const isRunning = hasBegun(automation);
  askForm({
    title: t`Cancel ${template}?`,
    above: h("p", {}, isRunning ? STOPS : t`It has not started, so nothing was done.`),
    fields: typed ? [typed] : [],
    check: () =>
      typed && typed.control.value.trim() !== template
        ? [{ path: "name", message: t`must be ${template}` }]
        : [],
    back: isRunning ? t`Let it run` : t`Let it wait`,
    action: t`Cancel the automation`,
    look: "danger",
    send: () => cancel(automation),
    done: () => announce(t`Cancelling`),
  });
}

/** Cancelling several in a list, for its `bulk`. */
export const CANCEL_SEVERAL = {
  text: t`Cancel…`,
  look: "danger",
  verb: t`Cancel them`,
  nameOf: (automation) => [whatRuns(automation), automation.reason].filter(Boolean).join(" · "),
  title: (count) =>
    plural(count, { one: t`Cancel 1 automation?`, other: t`Cancel ${number(count)} automations?` }),
  explain: (automations) => {
    const count = automations.filter(hasBegun).length;
    if (!count) return t`None of them has started, so nothing was done.`;
    const begun = plural(count, { one: t`1 has begun.`, other: t`${number(count)} have begun.` });
    return `${begun} ${STOPS}`;
  },
  refuses: (automation) => {
    if (isFinal(automation.state)) return t`is over`;
    if (automation.is_cancel_requested) return t`is being cancelled already`;
    return mayCancel(automation) ? "" : t`was triggered by somebody else`;
  },
  run: async ({ id }) => {
    const automation = await get("/automations/{automation_id}", { path: { automation_id: id } });
    if (isTyped(automation)) throw new Error(t`Its page asks for its name first.`);
    const { state } = await cancel(automation);
    return isFinal(state) ? stateText(state) : t`is being cancelled`;
  },
  said: (count) =>
    plural(count, {
      one: t`1 automation is cancelled or about to be.`,
      other: t`${number(count)} automations are cancelled or about to be.`,
    }),
};

function cancel({ id }) {
  return post("/automations/{automation_id}/cancel", { path: { automation_id: id } });
}

function hasBegun({ state }) {
  return ["running", "paused"].includes(state);
}

function isTyped({ labels }) {
  return labels[TYPED_LABEL] === "true";
}
