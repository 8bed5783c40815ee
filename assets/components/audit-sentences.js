// An entry of the record as a sentence: who did what to which thing, by names and not by ids.

import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { exactTime } from "../lib/times.js";
import { visible, visibleLine } from "../lib/visible.js";

/** What somebody did, in words, where the verb in the past is not made by "ed". */
const DID = {
  accept_restored: t`took over a restored state of`,
  bind: "bound",
  disable_totp: t`switched off the authenticator app of`,
  end_sessions: t`ended all sessions of`,
  enrol: t`enrolled as`,
  end_silent: t`ended, after long silence,`,
  enrol_again: t`asked again for its enrolment as`,
  leave: t`left as`,
  enrol_totp: t`set up an authenticator app for`,
  escalate: "escalated",
  give_up: t`gave up`,
  grant_labels: t`granted labels to`,
  hand_over: t`handed over what was of`,
  hold_queue: t`held the queue of`,
  link_chat: t`linked a chat through`,
  login: t`logged in`,
  logout: t`logged out`,
  lose: "lost",
  make_reset_link: t`made a link for a new password of`,
  plan: "planned",
  refuse_enrol: t`was refused to enrol`,
  refuse_login: t`was refused to log in as`,
  refuse_order: t`refused the order for`,
  refuse_start: t`could not start`,
  refuse_totp: t`gave a wrong code for`,
  release_queue: t`released the queue of`,
  renew_recovery_codes: t`made new recovery codes for`,
  report_rewritten_history: t`reported that the record was rewritten:`,
  request_reset_link: t`asked for a new password of`,
  reset_password: t`set a new password for`,
  reset_totp: t`reset the authenticator app of`,
  run: "ran",
  setup: t`set up`,
  start: "began",
  step_up: t`gave a fresh code`,
  undrain: t`gave work again to`,
  unlink_chat: t`unlinked a chat from`,
  withdraw: t`withdrew the request for`,
  change_password: t`changed the password of`,
};

/** What stands before the name of a thing of that kind. */
const KINDS = {
  approvals: t`the request for`,
  automations: "",
  files: t`the file`,
  invitations: t`an invitation`,
  join_tokens: t`a join token`,
  sessions: t`a session`,
  tokens: t`an API token`,
  users: "",
};

const WITHOUT_THING = new Set(["login", "logout", "step_up"]);
const PAGES = new Set(["approvals", "automations", "templates", "targets"]);
const NAMELESS = new Set(["sessions", "tokens", "invitations", "join_tokens", "files"]);

/** The sentence; with `hasLinks` what has a page is a link to it. */
export function sentenceOf(entry, { hasLinks = false } = {}) {
  const { verb, resource, data } = entry;
  return [
    whoOf(entry),
    " ",
    verb === "finish" ? "ended" : (DID[verb] ?? past(verb)),
    !WITHOUT_THING.has(verb) && [" ", thingOf(entry, hasLinks)],
    verb === "finish" && data.state && ` as ${visible(String(data.state).replaceAll("_", " "))}`,
    resource.startsWith("templates/") && data.version && ` version ${data.version}`,
    data.rerun_of && " once more",
  ];
}

/** Why, in the words of whoever did it or of the program; "" if that says nothing. */
export function reasonOf({ data }) {
  const said = data.reason ?? data.explanation ?? data.comment;
  return typeof said === "string" && said ? `“${visibleLine(said)}”` : "";
}

/** The whole entry as it stands in the record, for who wants to see that. */
export function rawEntry(entry) {
  const { about: _, ...raw } = entry;
  return h(
    "pre",
    { class: "artifact-text", tabindex: "0", "aria-label": t`The entry as it is` },
    visible(JSON.stringify(raw, null, 2)),
  );
}

/** When, how and from where. */
export function circumstances({ seq, at, channel, address }) {
  const from = [channel, address].filter(Boolean).join(" from ");
  return visible(
    [t`Entry ${seq}`, exactTime(at), from && t`by ${from}`].filter(Boolean).join(", "),
  );
}

function whoOf({ actor_kind: kind, actor_name: name }) {
  if (kind === "system") return h("strong", {}, t`The server`);
  const text = h("strong", {}, visible(name || t`Somebody`));
  if (kind === "worker") return ["Worker ", text];
  return kind === "anonymous" ? [text, h("span", { class: "muted" }, " (not logged in)")] : text;
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

function thingOf({ resource, about }, hasLinks) {
  const slash = resource.indexOf("/");
  if (slash < 0) return h("strong", {}, visible(resource));
  const [kind, id] = [resource.slice(0, slash), resource.slice(slash + 1)];
  const before = KINDS[kind] ?? t`the ${singular(kind)}`;
  if (NAMELESS.has(kind) && !about) return visible(before);
  const name = visible(about || id);
  const hasPage = hasLinks && PAGES.has(kind) && /^[\w-]+$/.test(id);
  const shown = hasPage ? h("a", { href: `/${kind}/${id}` }, name) : h("strong", {}, name);
  return [before && `${visible(before)} `, shown];
}

function singular(kind) {
  return visible(kind).replace(/ies$/, "y").replace(/s$/, "").replaceAll("_", " ");
}
