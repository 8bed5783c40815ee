// What a person can do with an automation: cancel it, run it again.

import { post } from "../lib/api.js";
import { randomId } from "../lib/bytes.js";
import { h } from "../lib/dom.js";
import { navigate } from "../lib/router.js";
import { may, whoAmI } from "../lib/session.js";
import { announce } from "./announcer.js";
import { button } from "./buttons.js";
import { ask } from "./dialogs.js";
import { isFinal } from "./states.js";

/** The buttons that fit the automation's state and the person's role. */
export function automationActions(automation) {
  if (!isFinal(automation.state)) {
    const isMine = automation.requester.id === whoAmI().user.id;
    if (!isMine && !may("automations.cancel_any")) return [];
    const isAsked = automation.is_cancel_requested;
    return [
      button(isAsked ? "Cancelling…" : "Cancel…", {
        look: "danger",
        name: "cancelled",
        disabled: isAsked,
        dataset: { focus: "cancel" },
        onclick: () => confirmCancel(automation),
      }),
    ];
  }
  return may("automations.create")
    ? [
        button("Run again…", {
          name: "again",
          dataset: { focus: "again" },
          onclick: () => confirmRerun(automation),
        }),
      ]
    : [];
}

function confirmCancel(automation) {
  const isRunning = automation.state === "running";
  ask({
    title: `Cancel ${automation.template}?`,
    content: h(
      "p",
      {},
      isRunning
        ? "Its commands are told to stop and killed 10 seconds later. What they have done up to then stays done; phases with “when: always” still run."
        : "It has not started, so nothing was done.",
    ),
    back: isRunning ? "Let it run" : "Let it wait",
    actions: [
      {
        text: "Cancel the automation",
        look: "danger",
        run: async () => {
          await post(`/automations/${automation.id}/cancel`);
          announce("Cancelling");
        },
      },
    ],
  });
}

function confirmRerun(automation) {
  const key = randomId();
  ask({
    title: `Run ${automation.template} again?`,
    content: h(
      "p",
      {},
      `The same values and the same version (${automation.version}) as before, as a new automation.`,
    ),
    actions: [
      {
        text: "Change values first",
        look: "",
        run: () => navigate(`/templates/${automation.template}/run?from=${automation.id}`),
      },
      {
        text: "Run it now",
        look: "primary",
        run: async () => {
          const rerun = await post(`/automations/${automation.id}/rerun`, undefined, {
            headers: { "Idempotency-Key": key },
          });
          navigate(`/automations/${rerun.id}`);
        },
      },
    ],
  });
}
