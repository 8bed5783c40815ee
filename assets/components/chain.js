// What an automation starts once it has ended.

import { h } from "../lib/dom.js";
import { visible } from "../lib/visible.js";
import { noticeBox } from "./problems.js";
import { stateBadge } from "./states.js";

const AFTER = { success: "after success", failure: "after failure" };
const KEYS = { success: "onSuccess", failure: "onFailure" };

export function chainView(chain) {
  return h(
    "section",
    {},
    h("h2", {}, "Starts afterwards"),
    h("ul", { class: "jobs" }, chain.map(startView)),
  );
}

function startView({ event, template, state, reason, automation_id: id, automation_state: now }) {
  return h(
    "li",
    {},
    id ? h("a", { href: `/automations/${id}` }, template) : template,
    " ",
    h("span", { class: "muted" }, AFTER[event]),
    " ",
    now && stateBadge(now),
    state === "due" && "about to start",
    state === "refused" && h("p", { class: "muted" }, "could not start: ", visible(reason)),
  );
}

/** Return a notice for each of them that could not start. */
export function chainNotices(chain) {
  return chain
    .filter(({ state }) => state === "refused")
    .map(({ event, template, reason }) =>
      noticeBox(
        "bad",
        h("strong", {}, `${KEYS[event]}: ${template} could not start: `),
        visible(reason),
      ),
    );
}
