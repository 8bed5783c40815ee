// The invitations of the people page: making one, and those that may still be used.

import { getAll, post, remove } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { ago, exactTime } from "../lib/times.js";
import { visible } from "../lib/visible.js";
import { button } from "./buttons.js";
import { ask } from "./dialogs.js";
import { field, input, select, showProblems } from "./fields.js";
import { linkBox } from "./link-box.js";
import { loadInto } from "./loading.js";

/** The list of open invitations in `element`; gives the function that loads it anew. Empty: nothing is shown. */
export function openInvitations(element, page) {
  const reload = () =>
    loadInto(
      element,
      page.signal,
      () => getAll("/invitations", page),
      (invitations) => replace(element, invitations.length > 0 && section(invitations, reload)),
    );
  reload();
  return reload;
}

function section(invitations, reload) {
  const heads = ["Invited", "Role", "By", "Since", "Until"].map((text) =>
    h("th", { scope: "col" }, text),
  );
  return h(
    "section",
    { class: "part", "aria-label": "Open invitations" },
    h("h2", {}, "Open invitations"),
    h(
      "table",
      { class: "table" },
      h(
        "thead",
        {},
        h("tr", {}, heads, h("th", { scope: "col" }, h("span", { class: "unseen" }, "Actions"))),
      ),
      h(
        "tbody",
        {},
        invitations.map((invitation) => row(invitation, reload)),
      ),
    ),
  );
}

function row({ id, email, role, invited_by, created_at, expires_at }, reload) {
  const end = () =>
    ask({
      title: `End the invitation of ${email}?`,
      content: h("p", {}, "Their link will be good no longer."),
      actions: [
        {
          text: "End it",
          look: "danger",
          run: () => remove(`/invitations/${encodeURIComponent(id)}`).then(reload),
        },
      ],
    });
  return h(
    "tr",
    {},
    h("td", {}, h("strong", {}, visible(email))),
    h("td", { dataset: { label: "Role" } }, role),
    h("td", { dataset: { label: "By" } }, visible(invited_by)),
    h("td", { dataset: { label: "Since" } }, ago(created_at)),
    h("td", { dataset: { label: "Until" } }, exactTime(expires_at)),
    h(
      "td",
      { class: "table-actions" },
      button("End…", {
        look: "quiet danger-text",
        "aria-label": `End the invitation of ${email}`,
        onclick: end,
      }),
    ),
  );
}

/** The form for a new invitation; `roles` are [value, text]. */
export function openInvitationForm(roles, reload) {
  const fields = [
    field({ label: "E-mail", path: "email", control: input({ type: "email" }) }),
    field({ label: "Role", path: "role", control: select(roles, "member") }),
    field({ label: "Manager’s e-mail", path: "manager", control: input({ type: "email" }) }),
    field({
      label: "Good for how many days",
      path: "expires_in_days",
      control: input({ type: "number", min: "1", max: "30", value: "7" }),
    }),
  ];
  const send = async () => {
    const [email, role, manager, days] = fields.map((each) => each.control.value.trim());
    try {
      const made = await post("/invitations", {
        email,
        role,
        manager: manager || null,
        expires_in_days: Number(days),
      });
      const { url, invitation } = made;
      ask({
        title: `Invitation for ${email}`,
        content: linkBox(url, invitation.expires_at),
        actions: [],
      });
    } catch (error) {
      if (!error.errors?.length) throw error;
      const others = showProblems(fields, error.errors);
      if (others.length) throw Object.assign(error, { errors: others });
      return false;
    }
    reload();
    return true;
  };
  ask({
    title: "Invite a person",
    content: [
      h(
        "p",
        {},
        "They get a link from you, and come in with the account that they have or make one.",
      ),
      ...fields.map((each) => each.element),
    ],
    actions: [{ text: "Make the link", look: "primary", run: send }],
  });
}
