// A state as text, colour and shape together.

import { h } from "../lib/dom.js";
import { icon } from "./icons.js";
import { t } from "../lib/language.js";

/** The states an automation can be in, in the order in which a filter offers them. */
export const STATES = [
  "planning",
  "awaiting_approval",
  "queued",
  "running",
  "paused",
  "succeeded",
  "failed",
  "cancelled",
  "timed_out",
  "unknown",
  "rejected",
  "expired",
];

const UNFINISHED = new Set(["planning", "awaiting_approval", "queued", "running", "paused"]);

/** Whether an automation in this state is over. */
export function isFinal(state) {
  return !UNFINISHED.has(state);
}

const TEXTS = {
  planning: t`planning`,
  awaiting_approval: t`awaiting approval`,
  queued: t`queued`,
  leased: t`handed out`,
  running: t`running`,
  paused: t`paused`,
  succeeded: t`succeeded`,
  failed: t`failed`,
  cancelled: t`cancelled`,
  timed_out: t`timed out`,
  unknown: t`unknown`,
  rejected: t`rejected`,
  expired: t`expired`,
  pending: t`pending`,
  skipped: t`skipped`,
  done_before: t`done before`,
  waiting: t`waiting`,
  approved: t`approved`,
  withdrawn: t`withdrawn`,
  active: t`active`,
  draining: t`draining`,
  revoked: t`revoked`,
  sending: t`sending`,
  sent: t`sent`,
  delivered: t`delivered`,
  retrying: t`retrying`,
  gave_up: t`gave up`,
  returned: t`given back`,
  started: t`started`,
  ended: t`ended`,
  refused: t`refused`,
  ignored: t`ignored`,
  missed: t`missed`,
  duplicate: t`repeated`,
  limited: t`too often`,
  unverified: t`not proven`,
};

/** `timed_out` as people read it. */
export function stateText(state) {
  return TEXTS[state] ?? state.replaceAll("_", " ");
}

/** A state as a badge; `detail`, a text or an element, follows its text. */
export function stateBadge(state, detail = "") {
  return h(
    "span",
    { class: `state state-${state}` },
    icon(state),
    h("span", {}, stateText(state), detail && [" ", detail]),
  );
}

/** A state as what a filter offers. */
export function stateChoice(state) {
  const shape = h("span", { class: `state-dot state-${state}` }, icon(state));
  return { value: state, content: [shape, h("span", {}, stateText(state))] };
}

/** A state as a shape alone, with its text for screen readers. */
export function stateDot(state) {
  return h(
    "span",
    { class: `state-dot state-${state}`, title: stateText(state) },
    icon(state),
    h("span", { class: "unseen" }, stateText(state)),
  );
}
