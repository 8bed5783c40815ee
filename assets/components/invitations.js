// The invitations of the people page: making one, and those that may still be used.

import { get, post, remove } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { said } from "../lib/server-texts.js";
import { ago } from "../lib/times.js";
import { visible } from "../lib/visible.js";
import { button } from "./buttons.js";
import { ask, askForm, confirm, opensWith } from "./dialogs.js";
import { choices, field, input, select } from "./fields.js";
import { linkBox } from "./link-box.js";
import { actionsColumn, column, List, remark } from "./list.js";
import { t } from "../lib/language.js";

const LOOKS_AGAIN_AFTER_MS = 2000; // while an e-mail is on its way: of it no event comes

/** The open invitations as { element, reload() }. Where there are none, nothing is shown. */
export function invitationsSection({ signal }) {
  const label = t`Open invitations`;
  const element = h(
    "section",
    { class: "part", "aria-label": label, hidden: true },
    h("h2", {}, label),
  );
  const list = new List({
    label: t`Invitations`,
    load: async (query) => {
      const page = await get("/invitations", { query, signal });
      if (page.items.some(isOnItsWay)) lookAgain(list, signal);
      return page;
    },
    columns: [...COLUMNS, actionsColumn((invitation) => actions(invitation, list.reload))],
    nameOf: ({ email }) => email,
    counted: (count) => (element.hidden = !count),
    signal,
  });
  element.append(list.element);
  return { element, reload: list.reload };
}

const COLUMNS = [
  column(t`Invited`, ({ email, emailed }) => [
    h("strong", {}, visible(email)),
    emailed?.error && remark(visible(said(emailed.error))),
  ]),
  column(t`Role`, ({ role }) => role),
  column(t`By`, ({ invited_by: person }) => visible(person), { isMinor: true }),
  column(t`Since`, ({ created_at: at }) => ago(at), { isMinor: true }),
  column(t`Expires`, ({ expires_at: at }) => ago(at)),
  column(t`E-mail`, ({ emailed }) => emailText(emailed), { label: "" }),
];

function isOnItsWay({ emailed }) {
  return emailed !== null && ["queued", "sending"].includes(emailed.state);
}

function lookAgain(list, signal) {
  setTimeout(() => signal.aborted || list.reload(), LOOKS_AGAIN_AFTER_MS);
}

/** Whether its e-mail was sent. */
function emailText(emailed) {
  if (emailed === null) return h("span", { class: "muted" }, t`not by e-mail`);
  const { state, finished_at: at } = emailed;
  if (state === "delivered") return t`sent ${ago(at)}`;
  const text = {
    failed: t`retrying`,
    gave_up: t`not sent`,
  }[state];
  return text ?? t`is being sent`;
}

/** What can be done about one: a new link, and its end. */
function actions(invitation, done) {
  const { email } = invitation;
  const renew = opensWith(delivery, (how) => openRenewal(invitation, how, done));
  const label = t`New link for ${email}`;
  return [
    button(t`New link…`, { look: "quiet", "aria-label": label, onclick: renew }),
    endButton(invitation, done),
  ];
}

/** By which channel the org sends invitations, and what is wrong with it. */
function delivery() {
  return get("/invitations/delivery");
}

/** The box "send it by e-mail": ticked where there is a channel that works. */
function emailBox({ channel, problem }, text) {
  const box = h("input", {
    type: "checkbox",
    checked: channel !== null && !problem,
    disabled: channel === null,
  });
  let note = t`Without it you get the link, to hand it over yourself.`;
  if (channel === null) note = t`The org has no e-mail channel that is on.`;
  if (problem)
    note = t`The latest messages of the channel ${channel} did not get out: ${said(problem)}`;
  const element = [
    h("label", { class: "choice" }, box, " ", text),
    h("p", { class: "help" }, note),
  ];
  return { box, element };
}

function openRenewal({ id, email }, how, done) {
  const { box, element } = emailBox(how, t`Send it by e-mail to ${email}`);
  askForm({
    title: t`A new link for ${email}`,
    above: h("p", {}, t`The link that they have is good no longer then.`),
    fields: [],
    below: element,
    send: () =>
      post("/invitations/{invitation}/renew", {
        path: { invitation: id },
        body: { is_emailed: box.checked },
      }),
    action: t`Make the link`,
    done: (made) => (showLink(made), done()),
  });
}

/** The link of a new invitation, which is shown this one time; one that is sent stands in the list. */
function showLink({ url, invitation: { email, expires_at: until } }) {
  if (url) ask({ title: t`Invitation for ${email}`, content: linkBox(url, until), actions: [] });
}

function endButton({ id, email }, done) {
  const label = t`End the invitation of ${email}`;
  const onclick = () =>
    confirm({
      title: `${label}?`,
      text: t`Their link will be good no longer.`,
      action: t`End it`,
      run: () => remove("/invitations/{invitation}", { path: { invitation: id } }),
      done,
    });
  return button(t`End…`, { look: "quiet", "aria-label": label, onclick });
}

/** What the form for a new invitation is made of; `roles()` gives [value, text]. */
export async function invitationChoices(roles) {
  return { roles: await roles(), how: await delivery() };
}

/** The form for a new invitation. */
export function openInvitationForm({ roles, how }, reload) {
  const fields = [
    field({ label: t`E-mail`, path: "email", control: input({ type: "email" }) }),
    field({ label: t`Role`, path: "role", control: select(choices(roles, "member"), "member") }),
    field({ label: t`Manager’s e-mail`, path: "manager", control: input({ type: "email" }) }),
    field({
      label: t`Good for how many days`,
      path: "expires_in_days",
      control: input({ type: "number", min: "1", max: "30", value: "7" }),
    }),
  ];
  const { box, element } = emailBox(how, t`Send it to them by e-mail`);
  const send = () => {
    const [email, role, manager, days] = fields.map((each) => each.control.value.trim());
    const body = {
      email,
      role,
      manager: manager || null,
      expires_in_days: Number(days),
      is_emailed: box.checked,
    };
    return post("/invitations", { body });
  };
  askForm({
    title: t`Invite a person`,
    above: h("p", {}, t`They get a link, and come in with the account that they have or make one.`),
    fields,
    below: element,
    send,
    action: t`Invite`,
    done: (made) => (showLink(made), reload()),
  });
}
