// What the record and the approval say of how an automation came to run, and whether they agree.

import { get } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { may } from "../lib/session.js";
import { ago } from "../lib/times.js";
import { visible, visibleLine } from "../lib/visible.js";
import { loading } from "./headings.js";
import { icon } from "./icons.js";
import { noticeBox, problemBox } from "./problems.js";
import { t } from "../lib/language.js";

const MOST = 100; // entries of one thing
/** Who decided how for which gate, and when. */
function decided(verdict, who, gate, at) {
  return verdict === "approve"
    ? t`${who} agreed for ${gate}, ${at}`
    : t`${who} refused for ${gate}, ${at}`;
}

/** The sections, which fill themselves. */
export function trailRecord(automation, signal) {
  const place = h("div", { class: "automation-trail is-further" }, loading());
  fill(place, automation, signal);
  return place;
}

async function fill(place, automation, signal) {
  try {
    const [approval, entries, sentences] = await Promise.all([
      approvalOf(automation, signal),
      entriesOf(automation, signal),
      import("./audit-sentences.js"), // no other page but Audit needs them
    ]);
    const record = entries && recordView(entries, approval, sentences);
    replace(place, approval && approvalView(approval), record);
  } catch (error) {
    if (!signal.aborted) replace(place, problemBox(error));
  }
}

async function approvalOf({ approval_id: id }, signal) {
  if (!id || !may("approvals.view")) return null;
  return get("/approvals/{approval_id}", { path: { approval_id: id }, signal });
}

/**
 * What the record has of the automation and of its approval, oldest first; null where it is not to
 * be seen.
 */
async function entriesOf({ id, approval_id: approvalId }, signal) {
  if (!may("audit.view")) return null;
  const resources = [`automations/${id}`, approvalId && `approvals/${approvalId}`].filter(Boolean);
  const found = await Promise.all(
    resources.map((resource) => get("/audit", { query: { resource, limit: MOST }, signal })),
  );
  return found.flatMap(({ items }) => items).toSorted((a, b) => a.seq - b.seq);
}

function approvalView({ gates, policy, is_intact: isIntact, manifest_digest: digest }) {
  const decisions = gates.flatMap((gate) =>
    gate.decisions.map((each) => ({ ...each, gate: gate.name })),
  );
  return h(
    "section",
    {},
    h("h2", {}, t`Approval`),
    policy && h("p", { class: "muted" }, t`by policy ${visible(policy)}`),
    h(
      "ol",
      { class: "jobs" },
      decisions.map(({ person, verdict, gate, decided_at: at, reason }) =>
        h(
          "li",
          {},
          decided(verdict, h("strong", {}, visible(person.email)), visible(gate), ago(at)),
          reason && `: “${visibleLine(reason)}”`,
        ),
      ),
    ),
    checked(
      isIntact,
      t`The code that binds the decision to the manifest is right.`,
      t`What is stored is not what was agreed to.`,
    ),
    h("p", { class: "muted small" }, t`manifest`, " ", h("code", { class: "command" }, digest)),
  );
}

function recordView(entries, approval, { reasonOf, sentenceOf }) {
  const bound = entries.findLast(({ data }) => data.manifest)?.data.manifest;
  const isSame = bound === approval?.manifest_digest;
  return h(
    "section",
    {},
    h("h2", {}, t`In the record`),
    h(
      "ol",
      { class: "jobs" },
      entries.map((entry) =>
        h("li", {}, sentenceOf(entry), ", ", ago(entry.at), " ", reasonOf(entry)),
      ),
    ),
    approval &&
      bound &&
      checked(
        isSame,
        t`It names the manifest that was agreed to.`,
        t`It names another manifest than was agreed to.`,
      ),
    h("p", {}, h("a", { href: "/audit" }, t`Verify the whole record`)),
  );
}

/** That something was looked at, and what came of it. */
export function checked(isRight, good, bad) {
  if (!isRight) return noticeBox("bad", h("strong", {}, bad));
  return h("p", { class: "checked" }, icon("succeeded"), good);
}
