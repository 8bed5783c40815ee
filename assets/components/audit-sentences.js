// An entry of the record as a sentence: who did what to which thing, by names and not by ids.

import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { said } from "../lib/server-texts.js";
import { exactTime } from "../lib/times.js";
import { visible, visibleLine } from "../lib/visible.js";
import { stateText } from "./states.js";

/** What somebody did to something, in words; `whom` is a person whom the entry names besides. */
const DID = {
  accept: (who, what) => t`${who} accepted ${what}`,
  accept_restored: (who, what) => t`${who} took over a restored state of ${what}`,
  add_member: (who, what, whom) => t`${who} added ${whom} to ${what}`,
  approve: (who, what) => t`${who} approved ${what}`,
  begin_removal: (who, what) => t`${who} began to remove ${what}`,
  bind: (who, what) => t`${who} bound ${what}`,
  call: (who, what) => t`${who} called ${what}`,
  cancel: (who, what) => t`${who} cancelled ${what}`,
  change_password: (who, what) => t`${who} changed the password of ${what}`,
  check: (who, what) => t`${who} checked ${what}`,
  create: (who, what) => t`${who} created ${what}`,
  damage_artifact: (who) => t`${who} found a damaged artifact`,
  delete: (who, what) => t`${who} deleted ${what}`,
  disable_totp: (who, what) => t`${who} switched off the authenticator app of ${what}`,
  draft: (who, what) => t`${who} made a draft of ${what}`,
  drain: (who, what) => t`${who} drained ${what}`,
  drop: (who, what) => t`${who} dismissed ${what}`,
  end_copy: (who, what) => t`${who} uses alone again the identity of ${what}`,
  end_sessions: (who, what) => t`${who} ended all sessions of ${what}`,
  end_silent: (who, what) => t`${who} ended, after long silence, ${what}`,
  enrol: (who, what) => t`${who} enrolled as ${what}`,
  enrol_again: (who, what) => t`${who} asked again for its enrolment as ${what}`,
  enrol_totp: (who, what) => t`${who} set up an authenticator app for ${what}`,
  escalate: (who, what) => t`${who} escalated ${what}`,
  expire: (who, what) => t`${who} expired ${what}`,
  give_up: (who, what) => t`${who} gave up ${what}`,
  grant_labels: (who, what) => t`${who} granted labels to ${what}`,
  hand_over: (who, what) => t`${who} handed over what was of ${what}`,
  hold_queue: (who, what) => t`${who} held the queue of ${what}`,
  import_org: (who, what) => t`${who} took over ${what} from another server`,
  invite: (who, what, whom) => t`${who} invited ${whom}`,
  leave: (who, what) => t`${who} left as ${what}`,
  link_chat: (who, what) => t`${who} linked a chat through ${what}`,
  login: (who) => t`${who} logged in`,
  logout: (who) => t`${who} logged out`,
  lose: (who, what) => t`${who} lost ${what}`,
  lose_logs: (who) => t`${who} lost logs`,
  make_reset_link: (who, what) => t`${who} made a link for a new password of ${what}`,
  miss: (who, what) => t`${who} missed a time of ${what}`,
  name: (who, what) => t`${who} named ${what}`,
  notice_copy: (who, what) => t`${who} uses, with another process, the identity of ${what}`,
  pause: (who, what) => t`${who} paused ${what}`,
  plan: (who, what) => t`${who} planned ${what}`,
  prune: (who, what) => t`${who} removed what was old enough: ${what}`,
  push: (who, what) => t`${who} pushed ${what}`,
  recover: (who, what) => t`${who} recovered the account of ${what}`,
  refuse: (who, what) => t`${who} refused ${what}`,
  refuse_enrol: (who, what) => t`${who} was refused to enrol ${what}`,
  refuse_login: (who, what) => t`${who} was refused to log in as ${what}`,
  refuse_order: (who, what) => t`${who} refused the order for ${what}`,
  refuse_setup: (who) => t`${who} was refused to set up the server`,
  refuse_start: (who, what) => t`${who} could not start ${what}`,
  refuse_totp: (who, what) => t`${who} gave a wrong code for ${what}`,
  reject: (who, what) => t`${who} rejected ${what}`,
  release: (who, what) => t`${who} released ${what}`,
  release_queue: (who, what) => t`${who} released the queue of ${what}`,
  remind: (who, what) => t`${who} reminded ${what}`,
  remove: (who, what) => t`${who} removed ${what}`,
  remove_member: (who, what, whom) => t`${who} took ${whom} out of ${what}`,
  renew: (who, what) => t`${who} renewed ${what}`,
  renew_recovery_codes: (who, what) => t`${who} made new recovery codes for ${what}`,
  report_newer_epoch: (who) => t`${who} reported that the server knows less than it did`,
  report_ran: (who, what) => t`${who} reported that it has run ${what}`,
  report_rewritten_history: (who, what) =>
    t`${who} reported that the record was rewritten: ${what}`,
  report_unknown_automation: (who, what) =>
    t`${who} reported an automation that is not known: ${what}`,
  report_unknown_job: (who, what) => t`${who} noted a job that is not known, of ${what}`,
  request_reset_link: (who, what) => t`${who} asked for a new password of ${what}`,
  requeue: (who, what) => t`${who} queued again ${what}`,
  reset_password: (who, what) => t`${who} set a new password for ${what}`,
  reset_totp: (who, what) => t`${who} reset the authenticator app of ${what}`,
  resume: (who, what) => t`${who} resumed ${what}`,
  retry: (who, what) => t`${who} retried ${what}`,
  return: (who, what) => t`${who} gave back ${what}`,
  revoke: (who, what) => t`${who} revoked ${what}`,
  rotate: (who, what) => t`${who} rotated ${what}`,
  run: (who, what) => t`${who} ran ${what}`,
  send: (who, what) => t`${who} sent ${what}`,
  send_sample: (who, what) => t`${who} sent a sample to ${what}`,
  setup: (who, what) => t`${who} set up ${what}`,
  start: (who, what) => t`${who} began ${what}`,
  step_up: (who) => t`${who} gave a fresh code`,
  suspend: (who, what) => t`${who} suspended ${what}`,
  test: (who, what) => t`${who} tested ${what}`,
  truncate: (who, what) => t`${who} cut off the log of ${what}`,
  undrain: (who, what) => t`${who} gave work again to ${what}`,
  unlink_chat: (who, what) => t`${who} unlinked a chat from ${what}`,
  update: (who, what) => t`${who} updated ${what}`,
  upload: (who, what) => t`${who} uploaded ${what}`,
  withdraw: (who, what) => t`${who} withdrew ${what}`,
};

/** What stands before the name of a thing of that kind. */
const KINDS = {
  announcements: t`an announcement`,
  approvals: t`the request for`,
  automations: "",
  "fan-outs": "",
  files: t`the file`,
  invitations: t`an invitation`,
  join_tokens: t`a join token`,
  sessions: t`a session`,
  tokens: t`an API token`,
  templates: t`the template`,
  targets: t`the target`,
  workers: t`the worker`,
  schedules: t`the schedule`,
  triggers: t`the trigger`,
  policies: t`the policy`,
  secrets: t`the secret`,
  channels: t`the channel`,
  groups: t`the group`,
  roles: t`the role`,
  orgs: t`the org`,
  server_operators: t`the server operator`,
  deliveries: t`the delivery`,
  artifacts: t`the artifact`,
  users: "",
};

/** What stands before the name of what is only called so where its name is known. */
const NAMED = { invitations: t`an invitation for` };

/** What an org has, by what stands behind its code. */
const OF_ORG = { quotas: t`the quotas of` };

/** What stands in the record without a name of its own. */
const WHOLE = {
  audit: t`the record`,
  automations: t`automations`,
  logs: t`logs`,
  "master-key": t`the master key`,
  server: t`the server`,
};

const PAGES = new Set(["approvals", "automations", "templates", "targets"]);
const NAMELESS = new Set([
  "sessions",
  "tokens",
  "invitations",
  "join_tokens",
  "files",
  "announcements",
]);

/** The sentence; with `hasLinks` what has a page is a link to it. */
export function sentenceOf(entry, { hasLinks = false } = {}) {
  const { verb, resource, data } = entry;
  const [who, thing] = [whoOf(entry), thingOf(entry, hasLinks)];
  const whom = h("strong", {}, visible(String(data.email ?? "")) || t`somebody`);
  const hasVersion = resource.startsWith("templates/") && data.version;
  const what = hasVersion ? t`${thing} version ${data.version}` : thing;
  if (verb === "finish" && data.state)
    return t`${who} ended ${what} as ${stateText(visible(String(data.state)))}`;
  const sentence = DID[verb]?.(who, what, whom) ?? t`${who} ${past(verb)} ${what}`;
  return data.rerun_of ? t`${sentence} once more` : sentence;
}

/** Why, in the words of whoever did it or of the program; "" if that says nothing. */
export function reasonOf({ data }) {
  const words = data.reason ?? data.explanation ?? data.comment;
  return typeof words === "string" && words ? `“${visibleLine(words)}”` : "";
}

/** The whole entry as it stands in the record, for who wants to see that. */
export function rawEntry(entry) {
  const { about: _about, epoch: _epoch, ...raw } = entry;
  return h(
    "pre",
    { class: "artifact-text", tabindex: "0", "aria-label": t`The entry as it is` },
    visible(JSON.stringify(raw, null, 2)),
  );
}

/** What names an entry for good: after a restore numbers are given out again. */
export function entryName({ epoch, seq }) {
  return epoch > 1 ? t`Entry ${seq} of epoch ${epoch}` : t`Entry ${seq}`;
}

/** When, how and from where. */
export function circumstances(entry) {
  const { at, channel, address } = entry;
  const from = channel && address ? t`${channel} from ${address}` : channel || address;
  return visible(
    [entryName(entry), exactTime(at), from && t`by ${from}`].filter(Boolean).join(", "),
  );
}

function whoOf({ actor_kind: kind, actor_name: name }) {
  if (kind === "system") return h("strong", {}, t`The server`);
  const text = h("strong", {}, visible(name || t`Somebody`));
  if (kind === "worker") return t`Worker ${text}`;
  return kind === "anonymous"
    ? [text, " ", h("span", { class: "muted" }, t`(not logged in)`)]
    : text;
}

function past(verb) {
  const [first, ...rest] = visible(verb).split("_");
  const did = /[^aeiou]e$/.test(first) ? `${first}d` : first.replace(/([^aeiou])y$/, "$1i");
  return [did.endsWith("d") && did !== first ? did : ending(did, first), ...rest].join(" ");
}

function ending(did, first) {
  if (first.endsWith("e")) return `${first}d`;
  if (first === "cancel") return "cancelled";
  return `${did}ed`;
}

function thingOf({ resource, about, data }, hasLinks) {
  const slash = resource.indexOf("/");
  if (slash < 0) return h("strong", {}, WHOLE[resource] ?? visible(resource));
  const [kind, id] = [resource.slice(0, slash), resource.slice(slash + 1)];
  const [code, part] = id.split("/");
  if (kind === "orgs" && OF_ORG[part]) return [OF_ORG[part], " ", h("strong", {}, visible(code))];
  const before = visible(beforeName(kind, about));
  const called = said(about) || (NAMELESS.has(kind) ? visible(String(data.name ?? "")) : id);
  if (!called) return before;
  const name = visible(called);
  const hasPage = hasLinks && PAGES.has(kind) && /^[\w-]+$/.test(id);
  const shown = hasPage ? h("a", { href: `/${kind}/${id}` }, name) : h("strong", {}, name);
  return [before && `${before} `, shown];
}

function beforeName(kind, about) {
  return (about && NAMED[kind]) || (KINDS[kind] ?? `the ${singular(kind)}`);
}

function singular(kind) {
  return visible(kind).replace(/ies$/, "y").replace(/s$/, "").replaceAll("_", " ");
}
