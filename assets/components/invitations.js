// The invitations of the people page: making one, and those that may still be used.

import { post, remove } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { ago, exactTime } from "../lib/times.js";
import { visible } from "../lib/visible.js";
import { button } from "./buttons.js";
import { ask, askForm, confirm } from "./dialogs.js";
import { choices, field, input, select } from "./fields.js";
import { linkBox } from "./link-box.js";
import { actionsColumn, column, List } from "./list.js";
import { t } from "../lib/language.js";

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
    endpoint: "/invitations",
    columns: [...COLUMNS, actionsColumn((invitation) => endButton(invitation, list.reload))],
    counted: (count) => (element.hidden = !count),
    signal,
  });
  element.append(list.element);
  return { element, reload: list.reload };
}

const COLUMNS = [
  column(t`Invited`, ({ email }) => h("strong", {}, visible(email))),
  column(t`Role`, ({ role }) => role),
  column(t`By`, ({ invited_by: person }) => visible(person)),
  column(t`Since`, ({ created_at: at }) => ago(at)),
  column(t`Until`, ({ expires_at: at }) => exactTime(at)),
];

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

/** The form for a new invitation; `roles` are [value, text]. */
export function openInvitationForm(roles, reload) {
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
  const send = () => {
    const [email, role, manager, days] = fields.map((each) => each.control.value.trim());
    const body = { email, role, manager: manager || null, expires_in_days: Number(days) };
    return post("/invitations", { body });
  };
  askForm({
    title: t`Invite a person`,
    above: h(
      "p",
      {},
      t`They get a link from you, and come in with the account that they have or make one.`,
    ),
    fields,
    send,
    action: t`Make the link`,
    done: ({ url, invitation: { email, expires_at: until } }) => {
      ask({ title: t`Invitation for ${email}`, content: linkBox(url, until), actions: [] });
      reload();
    },
  });
}
