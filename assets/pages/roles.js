// Roles and groups: what each gives, in rules of one line, and who belongs to a group.

import { button, iconButton } from "../components/buttons.js";
import { askForm, confirm } from "../components/dialogs.js";
import { field, input, lines, textarea } from "../components/fields.js";
import { ADMINS, firstOne } from "../components/first-one.js";
import { pageHeading } from "../components/headings.js";
import { actionsColumn, column, List, remark, severalLines } from "../components/list.js";
import { patch, post, put, remove } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { said } from "../lib/server-texts.js";
import { may } from "../lib/session.js";
import { ago } from "../lib/times.js";
import { visible } from "../lib/visible.js";

const ROLE = {
  all: "/roles",
  one: "/roles/{role}",
  word: "role",
  may: "roles.manage",
  add: t`New role`,
  change: (name) => t`Change the role ${name}`,
  end: t`Delete the role`,
};
const GROUP = {
  all: "/groups",
  one: "/groups/{group}",
  word: "group",
  may: "groups.manage",
  add: t`New group`,
  change: (name) => t`Change the group ${name}`,
  end: t`Delete the group`,
};
const MEMBER = "/groups/{group}/members/{user}";

const ABOUT = t`Everybody has one role, and the rules of their groups beside it. A rule that denies wins.`;

export function mount(root, { title }) {
  const page = new AbortController();
  root.append(
    pageHeading(title, { below: h("p", { class: "muted" }, ABOUT) }),
    section(t`Roles`, ROLE, page),
    section(t`Groups`, GROUP, page),
  );
  return () => page.abort();
}

function section(label, kind, page) {
  const list = new List({
    label,
    endpoint: kind.all,
    columns: [
      column(t`Name`, nameOf),
      column(t`Rules`, rules, { size: kind === ROLE ? "tall" : "wide" }),
      column(
        t`People`,
        (thing) => (kind === ROLE ? String(thing.member_count) : people(thing, list.reload)),
        { size: kind === ROLE ? "" : "wide", isNumber: kind === ROLE },
      ),
      may(kind.may) && actionsColumn((thing) => actions(kind, thing, list.reload)),
    ],
    key: ({ name }) => name,
    show: (thing) => mayChange(kind, thing) && (() => openForm(kind, thing, list.reload)),
    shownAs: ({ name }) => `${kind.word}:${name}`, // one may be called as the other
    empty: noGroups,
    signal: page.signal,
  });
  const open = () => openForm(kind, null, list.reload);
  const add = may(kind.may) && button(t`${kind.add}…`, { name: "plus", onclick: open });
  const head = h("div", { class: "part-head" }, h("h2", {}, label), add);
  return h("section", { class: "part" }, head, list.element);
}

/** All but the role of admins, which has all rights for good. */
function mayChange(kind, { name }) {
  return may(kind.may) && !(kind === ROLE && name === "admin");
}

function nameOf({ name, description, is_built_in: isBuiltIn }) {
  return [
    h("strong", {}, name),
    " ",
    isBuiltIn && h("span", { class: "fact" }, t`built in`),
    description && remark(visible(isBuiltIn ? said(description) : description)),
  ];
}

function rules({ is_built_in: isBuiltIn, built_in_rules: builtIn, rules: own }) {
  const list = (texts) => texts.map((text) => h("div", {}, h("code", {}, visible(text))));
  const ownLines = own.length > 1 ? severalLines(list(own)) : list(own);
  if (!isBuiltIn) return own.length ? ownLines : h("span", { class: "muted" }, t`none`);
  const summary = h("summary", {}, t`${builtIn.length} built in`);
  return [h("details", {}, summary, list(builtIn)), ownLines];
}

function people(group, reload) {
  if (!group.members.length) return h("span", { class: "muted" }, t`nobody`);
  const members = group.members.map((member) => {
    const joined = h("span", { class: "muted small" }, ago(member.joined_at));
    const leave = may("groups.manage") && leaveButton(group, member, reload);
    return h("div", { class: "member" }, h("span", {}, visible(member.email)), joined, leave);
  });
  return severalLines(members);
}

function leaveButton({ name }, { id, email }, done) {
  const label = t`Remove ${email} from ${name}`;
  const onclick = () =>
    confirm({
      title: `${label}?`,
      text: t`Who comes back later has joined later: they approve nothing that was asked before.`,
      action: t`Take them out`,
      run: () => remove(MEMBER, { path: { group: name, user: id } }),
      done,
    });
  return iconButton("cross", label, onclick);
}

function actions(kind, thing, done) {
  const end = () =>
    confirm({
      title: kind === ROLE ? t`Delete the role ${thing.name}?` : t`Delete the group ${thing.name}?`,
      text:
        kind === ROLE ? t`A role that somebody has stays.` : t`Its members lose what it gave them.`,
      action: kind.end,
      run: () => remove(kind.one, { path: { [kind.word]: thing.name } }),
      done,
    });
  const act = (verb, label, onclick, look = "quiet") =>
    button(t`${verb}…`, { look, "aria-label": `${label} ${thing.name}`, onclick });
  return [
    kind === GROUP && act(t`Add`, t`Add to`, () => openJoin(thing.name, done)),
    mayChange(kind, thing) && act(t`Change`, t`Change`, () => openForm(kind, thing, done)),
    !thing.is_built_in && act(t`Delete`, t`Delete`, end, "quiet"),
  ];
}

function openJoin(group, done) {
  const who = field({ label: t`E-mail`, path: "user", control: input({ type: "email" }) });
  askForm({
    title: t`Add somebody to ${group}`,
    fields: [who],
    send: () => put(MEMBER, { path: { group, user: who.control.value.trim() } }),
    action: t`Let them join`,
    done,
  });
}

/** The form for a new role or group, or for one that there is. */
function openForm(kind, thing, done) {
  const name = field({
    label: t`Name`,
    path: "name",
    help: t`a to z, 0 to 9 and -.`,
    control: input({ maxlength: 63 }),
  });
  const description = field({
    label: t`Description`,
    path: "description",
    control: input({ maxlength: 500, value: thing?.description ?? "" }),
  });
  const ruleLines = field({
    label: thing?.is_built_in ? t`Rules that your org adds` : t`Rules`,
    path: "rules",
    help: t`One a line, as in: deny execute templates/env=prod`,
    control: textarea({ rows: 6, value: thing?.rules.join("\n") ?? "" }),
  });
  const send = () => {
    const body = { rules: lines(ruleLines.control) };
    if (!thing?.is_built_in) body.description = description.control.value.trim();
    if (thing) return patch(kind.one, { path: { [kind.word]: thing.name }, body });
    return post(kind.all, { body: { ...body, name: name.control.value.trim() } });
  };
  askForm({
    title: thing ? kind.change(thing.name) : kind.add,
    fields: [!thing && name, !thing?.is_built_in && description, ruleLines].filter(Boolean),
    send,
    action: t`Save`,
    done,
  });
}

function noGroups() {
  const rule = h("code", {}, "approvers: {groups: [oncall]}");
  const text = t`A group gives its members rules, and an approval policy can ask it: ${rule}.`;
  return firstOne(t`No groups`, text, {
    takes: "groups.manage",
    command: "opsicle groups create oncall",
    by: ADMINS,
  });
}
