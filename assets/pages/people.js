// The people of the org: their roles and managers.

import { button } from "../components/buttons.js";
import { ask } from "../components/dialogs.js";
import { field, input, select, showProblems } from "../components/fields.js";
import { pageHeading } from "../components/headings.js";
import { openInvitationForm, openInvitations } from "../components/invitations.js";
import { linkBox } from "../components/link-box.js";
import { loadInto } from "../components/loading.js";
import { sentence } from "../components/problems.js";
import { getAll, patch, post, remove, withQuery } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { may, whoAmI } from "../lib/session.js";
import { ago } from "../lib/times.js";
import { visible } from "../lib/visible.js";

let roles = [];

export function mount(root) {
  const page = new AbortController();
  const list = h("div", {});
  const reload = () =>
    loadInto(
      list,
      page.signal,
      () => Promise.all([getAll("/users", page), may("roles.view") ? getAll("/roles", page) : []]),
      ([users, found]) => {
        roles = found.map(({ name, description }) => [
          name,
          description ? `${name}: ${description}` : name,
        ]);
        replace(list, table(users, reload));
      },
    );
  const open = h("div", {});
  const add = may("users.manage") ? addActions(reload, openInvitations(open, page)) : [];
  root.append(pageHeading("People", { actions: add }), list, open);
  reload();
  return () => page.abort();
}

function addActions(reload, reloadInvitations) {
  return [
    button("Invite a person…", {
      look: "primary",
      name: "plus",
      onclick: () => openInvitationForm(roles, reloadInvitations),
    }),
    button("Add a person…", { name: "plus", onclick: () => openForm(null, reload) }),
  ];
}

function table(users, reload) {
  const emails = new Map(users.map((user) => [user.id, user.email]));
  const heads = ["Person", "Role", "Manager", "Since", may("users.manage") && ""].filter(
    (text) => text !== false,
  );
  return h(
    "table",
    { class: "table" },
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        heads.map((text) =>
          h("th", { scope: "col" }, text || h("span", { class: "unseen" }, "Actions")),
        ),
      ),
    ),
    h(
      "tbody",
      {},
      users.map((user) => row(user, emails, reload)),
    ),
  );
}

function row(user, emails, reload) {
  const manager = user.manager && (emails.get(user.manager) ?? user.manager);
  return h(
    "tr",
    { class: user.is_disabled ? "is-off" : null },
    h(
      "td",
      {},
      h("strong", {}, visible(user.name || user.email)),
      user.name && [h("br", {}), visible(user.email)],
      " ",
      user.owner && h("span", { class: "fact" }, `service account of ${user.owner}`),
      user.is_disabled && h("span", { class: "fact" }, "disabled"),
      user.id === whoAmI().user.id && h("span", { class: "fact" }, "you"),
    ),
    h(
      "td",
      { dataset: { label: "Role" } },
      user.role,
      user.rules.map((rule) => h("div", { class: "small" }, h("code", {}, visible(rule)))),
    ),
    h(
      "td",
      { dataset: { label: "Manager" } },
      manager ? visible(manager) : h("span", { class: "muted" }, "none"),
      user.is_manager_disabled && h("span", { class: "fact" }, "disabled"),
    ),
    h("td", { dataset: { label: "Since" } }, ago(user.created_at)),
    may("users.manage") &&
      h(
        "td",
        { class: "table-actions" },
        button("Change…", {
          look: "quiet",
          "aria-label": `Change ${user.email}`,
          onclick: () => openForm({ ...user, manager }, reload),
        }),
      ),
  );
}

function openForm(user, reload) {
  const fields = {
    email: field({
      label: "E-mail",
      path: "email",
      control: input({ type: "email", value: user?.email ?? "", disabled: user !== null }),
    }),
    name: field({ label: "Name", path: "name", control: input({ value: user?.name ?? "" }) }),
    role: field({
      label: "Role",
      path: "role",
      control: select(choices(user?.role ?? "member"), user?.role ?? "member"),
    }),
    manager: field({
      label: "Manager’s e-mail",
      path: "manager",
      help: "Approves what this person runs, where a template asks for it.",
      control: input({ type: "email", value: user?.manager ?? "" }),
    }),
    password: field({
      label: user ? "New password" : "First password",
      path: "password",
      help: user ? "Leave it empty to keep the old one." : null,
      control: input({ type: "password", autocomplete: "new-password" }),
    }),
  };
  const save = async () => {
    const typed = Object.fromEntries(
      Object.entries(fields).map(([name, each]) => [name, each.control.value]),
    );
    try {
      await (user
        ? patch(`/users/${user.id}`, changes(user, typed)).then(tellStuck)
        : post("/users", { ...typed, manager: typed.manager || null }));
    } catch (error) {
      if (!error.errors?.length) throw error;
      const others = showProblems(Object.values(fields), error.errors);
      if (others.length) throw Object.assign(error, { errors: others });
      return false;
    }
    reload();
    return true;
  };
  ask({
    title: user ? user.email : "Add a person",
    content: Object.values(fields).map((each) => each.element),
    actions: [{ text: user ? "Save" : "Add the person", look: "primary", run: save }],
    more: user && user.id !== whoAmI().user.id ? moreActions(user, reload) : [],
  });
}

/** The roles that there are, and the one that somebody has, even if the list of roles is not ours to see. */
function choices(current) {
  return roles.some(([name]) => name === current) ? roles : [...roles, [current, current]];
}

/** Who changes what somebody may hears of approvals that nobody can give since. */
function tellStuck({ leaves_stuck: stuck }) {
  if (!stuck.length) return;
  ask({
    title: "Approvals that nobody can give now",
    content: [
      h(
        "p",
        {},
        "They waited for this person, and for nobody else who is left. Let somebody decide again, or have them withdrawn:",
      ),
      h(
        "ul",
        {},
        stuck.map((template) => h("li", {}, visible(template))),
      ),
    ],
    actions: [],
  });
}

function moreActions(user, reload) {
  const then = (change) => async () => {
    await change();
    reload();
  };
  const path = `/users/${user.id}`;
  const sure = (text, action, what) => async () =>
    void ask({
      title: `${action}: ${user.email}?`,
      content: h("p", {}, text),
      actions: [{ text: action, look: "danger", run: then(() => remove(what)) }],
    });
  const leave = async () =>
    void ask({
      title: `Remove: ${user.email}?`,
      content: h(
        "p",
        {},
        "They are logged out, and neither run nor approve anything here any more.",
      ),
      actions: [{ text: "Remove", look: "danger", run: () => removePerson(user, reload) }],
    });
  const link = async () => {
    const made = await post(`${path}/reset`);
    ask({
      title: `New password for ${user.email}`,
      content: linkBox(made.url, made.expires_at),
      actions: [],
    });
  };
  return [
    { text: "Password link", look: "quiet", run: link },
    { text: "Log out everywhere", look: "quiet", run: then(() => remove(`${path}/sessions`)) },
    {
      text: "Reset authenticator",
      look: "quiet",
      run: sure(
        "They log in with the password alone until they enrol another app.",
        "Reset the app",
        `${path}/totp`,
      ),
    },
    {
      text: user.is_disabled ? "Enable" : "Disable",
      look: "quiet",
      run: then(() => patch(path, { is_disabled: !user.is_disabled }).then(tellStuck)),
    },
    {
      text: "Remove from the org",
      look: "danger-text quiet",
      run: leave,
    },
  ];
}

/** Remove somebody; where more goes with them than themselves, say what, and offer another owner, before it is done. */
async function removePerson(user, reload) {
  const path = `/users/${user.id}`;
  try {
    await remove(path);
  } catch (error) {
    if (error.code !== "leaves_behind") throw error;
    askAboutLeaving(user, error, reload);
    return;
  }
  reload();
}

function askAboutLeaving(user, { detail }, reload) {
  const owner = field({
    label: "Who answers for their service accounts from now on",
    path: "new_owner",
    help: "Somebody’s e-mail. Left empty, the service accounts are removed too.",
    control: input({ type: "email" }),
  });
  const run = async () => {
    try {
      await remove(
        withQuery(`/users/${user.id}`, {
          new_owner: owner.control.value.trim(),
          confirmed: "true",
        }),
      );
    } catch (error) {
      const others = showProblems([owner], error.errors ?? []);
      if (!error.errors?.length || others.length) throw error;
      return false;
    }
    reload();
    return true;
  };
  ask({
    title: `More goes with ${user.email}`,
    content: [h("p", {}, sentence(detail)), owner.element],
    actions: [{ text: "Remove all the same", look: "danger", run }],
  });
}

function changes(user, { name, role, manager, password }) {
  const changed = {};
  if (name !== user.name) changed.name = name;
  if (role !== user.role) changed.role = role;
  if (manager !== (user.manager ?? "")) changed.manager = manager || null;
  if (password) changed.password = password;
  return changed;
}
