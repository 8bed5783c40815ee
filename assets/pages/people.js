// The people of the org: their roles and managers.

import { button, buttonLink } from "../components/buttons.js";
import { ask, askForm, confirm, opensWith } from "../components/dialogs.js";
import { choices, field, input, select } from "../components/fields.js";
import { pageHeading } from "../components/headings.js";
import {
  invitationChoices,
  invitationsSection,
  openInvitationForm,
} from "../components/invitations.js";
import { linkBox } from "../components/link-box.js";
import { actionsColumn, column, List, severalLines } from "../components/list.js";
import { pairs } from "../components/pairs.js";
import { sentence } from "../components/problems.js";
import { getAll, patch, post, remove } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { said } from "../lib/server-texts.js";
import { may, whoAmI } from "../lib/session.js";
import { ago } from "../lib/times.js";
import { visible } from "../lib/visible.js";

export function mount(root, { title }) {
  const page = new AbortController();
  const asked = loadRoles(page);
  const roles = () => asked; // without them the forms would have a choice that is empty
  const change = (user) =>
    button(t`Change…`, {
      look: "quiet",
      "aria-label": t`Change ${user.email}`,
      onclick: show(user),
    });
  const secure = (user) =>
    user.id !== whoAmI().user.id &&
    button(t`Security…`, {
      look: "quiet",
      "aria-label": t`Security of ${user.email}`,
      onclick: () => openSecurity(user, list.reload),
    });
  const show = (user) =>
    may("users.manage")
      ? opensWith(roles, (known) => openForm(user, known, list.reload))
      : () => showPerson(user);
  const list = new List({
    label: title,
    load: () => load(page),
    columns: [
      ...COLUMNS,
      may("users.manage") && actionsColumn((user) => [change(user), secure(user)]),
    ],
    show: (user) => show(user),
    showNamed: () => () => ask(NOBODY),
    nameOf: ({ email }) => email,
    shownAs: ({ email }) => email,
    rowClass: (user) => (user.is_disabled ? "is-off" : null),
    signal: page.signal,
  });
  if (!may("users.manage")) {
    root.append(pageHeading(title, { actions: whoMay(), below: about() }), list.element);
    return () => page.abort();
  }
  const invitations = invitationsSection(page);
  const invite = opensWith(
    () => invitationChoices(roles),
    (offered) => openInvitationForm(offered, invitations.reload),
  );
  const add = opensWith(roles, (known) => openForm(null, known, list.reload));
  const actions = [
    whoMay(),
    button(t`Add a person…`, { name: "plus", onclick: add }),
    button(t`Invite a person…`, { look: "primary", name: "plus", onclick: invite }),
  ];
  root.append(pageHeading(title, { actions, below: about() }), list.element, invitations.element);
  return () => page.abort();
}

function whoMay() {
  return buttonLink(t`Who may do what`, "/access");
}

/** Everybody, each with their manager's e-mail. */
async function load({ signal }) {
  const users = await getAll("/users", { signal });
  const emails = new Map(users.map((user) => [user.id, user.email]));
  const emailOf = (id) => id && (emails.get(id) ?? id);
  const items = users.map((user) => ({ ...user, manager: emailOf(user.manager) }));
  return { items, next_cursor: "" };
}

/** The roles for the forms, as [name, text]; none where they are not ours to see. */
async function loadRoles({ signal }) {
  if (!may("users.manage") || !may("roles.view")) return [];
  try {
    const found = await getAll("/roles", { signal });
    return found.map(({ name, description, is_built_in: isBuiltIn }) => {
      const text = isBuiltIn ? said(description) : description;
      return [name, text ? `${name}: ${text}` : name];
    });
  } catch {
    return []; // the forms can still be filled in; the list says what is wrong with the server
  }
}

const COLUMNS = [
  column(t`Person`, (user) => [
    h("strong", {}, visible(user.name || user.email)),
    user.name && h("div", { class: "muted" }, visible(user.email)),
    " ",
    user.owner && h("span", { class: "fact" }, t`service account of ${user.owner}`),
    user.is_disabled && h("span", { class: "fact" }, t`disabled`),
    user.id === whoAmI().user.id && h("span", { class: "fact" }, t`you`),
  ]),
  column(
    t`Role`,
    ({ role, rules }) => [
      role,
      rules.length > 0 &&
        severalLines(
          rules.map((rule) => h("div", { class: "small" }, h("code", {}, visible(rule)))),
        ),
    ],
    { size: "tall" },
  ),
  column(t`Manager`, ({ manager, is_manager_disabled: isDisabled }) => [
    manager ? visible(manager) : "–",
    isDisabled && h("span", { class: "fact" }, t`disabled`),
  ]),
  column(t`Since`, ({ created_at: at }) => ago(at), { isMinor: true }),
];

function about() {
  return h(
    "p",
    { class: "muted" },
    t`Who is in this org, in which role, and who is their manager.`,
  );
}

const NOBODY = {
  title: t`Nobody here`,
  content: h("p", {}, t`Nobody of this org has that address.`),
  actions: [],
};

/** What there is to know of a person, for who may not change it. */
function showPerson({ email, name, role, manager, created_at: at }) {
  const rows = [
    [t`Name`, visible(name || "–")],
    [t`Role`, visible(role)],
    [t`Manager`, visible(manager || t`none`)],
    [t`Since`, ago(at)],
  ];
  ask({ title: visible(email), content: pairs(rows), actions: [], back: t`Close` });
}

/** The form for a new person, or for who one is that there is. */
function openForm(user, roles, done) {
  const was = { email: "", name: "", role: "member", manager: "", ...user };
  const fields = [
    field({
      label: t`E-mail`,
      path: "email",
      control: input({ type: "email", value: was.email, disabled: user !== null }),
    }),
    field({ label: t`Name`, path: "name", control: input({ value: was.name }) }),
    field({ label: t`Role`, path: "role", control: select(choices(roles, was.role), was.role) }),
    field({
      label: t`Manager’s e-mail`,
      path: "manager",
      help: t`Approves what this person runs, where a template asks for it.`,
      control: input({ type: "email", value: was.manager ?? "" }),
    }),
    !user && passwordField(t`First password`),
  ].filter(Boolean);
  const send = () => {
    const typed = Object.fromEntries(fields.map(({ path, control }) => [path, control.value]));
    if (user) return update(user, changes(was, typed));
    return post("/users", { body: { ...typed, manager: typed.manager || null } });
  };
  askForm({
    title: user ? user.email : t`Add a person`,
    fields,
    send,
    action: user ? t`Save` : t`Add the person`,
    done,
  });
}

/** What concerns how a person logs in, and whether; apart from who they are. */
function openSecurity(user, done) {
  const password = passwordField(t`New password`);
  askForm({
    title: t`Security of ${user.email}`,
    fields: [password],
    send: () => update(user, { password: password.control.value }),
    action: t`Set the password`,
    done,
    more: securityActions(user, done),
  });
}

function passwordField(label) {
  const control = input({ type: "password", autocomplete: "new-password" });
  return field({ label, path: "password", control });
}

/** Change a person. Who does so hears of approvals that nobody can give since. */
async function update(user, body) {
  const { leaves_stuck: stuck } = await patch("/users/{user}", { path: { user: user.id }, body });
  if (!stuck.length) return;
  const text = t`They waited for this person, and for nobody else who is left. Let somebody decide again, or have them withdrawn:`;
  const templates = stuck.map((template) => h("li", {}, visible(template)));
  ask({
    title: t`Approvals that nobody can give now`,
    content: [h("p", {}, text), h("ul", {}, templates)],
    actions: [],
  });
}

function securityActions(user, done) {
  const path = { user: user.id };
  const link = async () => {
    const made = await post("/users/{user}/reset", { path });
    const content = linkBox(made.url, made.expires_at);
    ask({ title: t`New password for ${user.email}`, content, actions: [] });
  };
  const logOut = async () => done(await remove("/users/{user}/sessions", { path }));
  const resetApp = () =>
    confirm({
      title: t`Reset the app: ${user.email}?`,
      text: t`They log in with the password alone until they enrol another app.`,
      action: t`Reset the app`,
      run: () => remove("/users/{user}/totp", { path }),
      done,
    });
  const toggle = async () => done(await update(user, { is_disabled: !user.is_disabled }));
  const leave = () =>
    confirm({
      title: t`Remove: ${user.email}?`,
      text: t`They are logged out, and neither run nor approve anything here any more.`,
      action: t`Remove`,
      run: () => removePerson(user, done),
    });
  return [
    { text: t`Password link`, look: "quiet", run: link },
    { text: t`Log out everywhere`, look: "quiet", run: logOut },
    { text: t`Reset authenticator`, look: "quiet", run: async () => void resetApp() },
    { text: user.is_disabled ? t`Enable` : t`Disable`, look: "quiet", run: toggle },
    { text: t`Remove from the org`, look: "quiet", run: async () => void leave() },
  ];
}

/**
 * Remove somebody; where more goes with them than themselves, say what, and offer another owner,
 * before it is done.
 */
async function removePerson(user, done) {
  try {
    await remove("/users/{user}", { path: { user: user.id } });
  } catch (error) {
    if (error.code !== "leaves_behind") throw error;
    askAboutLeaving(user, error, done);
    return;
  }
  done();
}

function askAboutLeaving(user, { detail }, done) {
  const owner = field({
    label: t`Who answers for their service accounts from now on`,
    path: "new_owner",
    help: t`Somebody’s e-mail. Left empty, the service accounts are removed too.`,
    control: input({ type: "email" }),
  });
  const send = () => {
    const query = { new_owner: owner.control.value.trim(), confirmed: "true" };
    return remove("/users/{user}", { path: { user: user.id }, query });
  };
  askForm({
    title: t`More goes with ${user.email}`,
    above: h("p", {}, sentence(detail)),
    fields: [owner],
    send,
    action: t`Remove all the same`,
    look: "danger",
    done,
  });
}

/** What of a person was changed in the form. */
function changes(was, { name, role, manager }) {
  const changed = {};
  if (name !== was.name) changed.name = name;
  if (role !== was.role) changed.role = role;
  if (manager !== (was.manager ?? "")) changed.manager = manager || null;
  return changed;
}
