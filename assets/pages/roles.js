// Roles and groups: what each gives, in rules of one line, and who belongs to a group.

import { button } from "../components/buttons.js";
import { ask } from "../components/dialogs.js";
import { field, input, showProblems } from "../components/fields.js";
import { emptyState, pageHeading } from "../components/headings.js";
import { loadInto } from "../components/loading.js";
import { getAll, patch, post, put, remove } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { may } from "../lib/session.js";
import { ago } from "../lib/times.js";
import { visible } from "../lib/visible.js";

const ROLE = { path: "/roles", word: "role", action: "roles.manage" };
const GROUP = { path: "/groups", word: "group", action: "groups.manage" };

export function mount(root) {
  const page = new AbortController();
  const lists = [ROLE, GROUP].map((kind) => section(kind, page));
  root.append(
    pageHeading("Roles and groups", {
      below: h(
        "p",
        { class: "muted" },
        "Everybody has one role, and the rules of their groups beside it. A rule that denies wins.",
      ),
    }),
    ...lists,
  );
  return () => page.abort();
}

function section(kind, page) {
  const list = h("div", {});
  const reload = () =>
    loadInto(
      list,
      page.signal,
      () => getAll(kind.path, page),
      (things) => replace(list, things.length ? table(kind, things, reload) : noGroups()),
    );
  const add =
    may(kind.action) &&
    button(`New ${kind.word}…`, { name: "plus", onclick: () => openForm(kind, null, reload) });
  reload();
  const heading = h("h2", {}, kind === ROLE ? "Roles" : "Groups");
  return h("section", { class: "part" }, h("div", { class: "part-head" }, heading, add), list);
}

function table(kind, things, reload) {
  const heads = ["Name", "Rules", "People", may(kind.action) && ""].filter(
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
      things.map((thing) => row(kind, thing, reload)),
    ),
  );
}

function row(kind, thing, reload) {
  return h(
    "tr",
    {},
    h(
      "td",
      {},
      h("strong", {}, thing.name),
      " ",
      thing.is_built_in && h("span", { class: "fact" }, "built in"),
      thing.description && h("div", { class: "muted small" }, visible(thing.description)),
    ),
    h("td", { dataset: { label: "Rules" } }, rules(thing)),
    h(
      "td",
      { dataset: { label: "People" } },
      kind === ROLE ? String(thing.members) : people(thing, reload),
    ),
    may(kind.action) && h("td", { class: "table-actions" }, actions(kind, thing, reload)),
  );
}

function rules(thing) {
  const lines = (texts) => texts.map((text) => h("div", {}, h("code", {}, visible(text))));
  return [
    thing.is_built_in &&
      h(
        "details",
        {},
        h("summary", {}, `${thing.built_in_rules.length} built in`),
        lines(thing.built_in_rules),
      ),
    thing.rules.length
      ? lines(thing.rules)
      : !thing.is_built_in && h("span", { class: "muted" }, "none"),
  ];
}

function people(group, reload) {
  const leave = (member) =>
    ask({
      title: `Take ${member.email} out of ${group.name}?`,
      content: h(
        "p",
        {},
        "Who comes back later has joined later: they approve nothing that was asked before.",
      ),
      actions: [
        {
          text: "Take them out",
          look: "danger",
          run: () => remove(memberPath(group, member.id)).then(reload),
        },
      ],
    });
  if (!group.members.length) return h("span", { class: "muted" }, "nobody");
  return group.members.map((member) =>
    h(
      "div",
      {},
      visible(member.email),
      " ",
      h("span", { class: "muted small" }, ago(member.joined_at)),
      may("groups.manage") &&
        button("Remove…", {
          look: "quiet",
          "aria-label": `Take ${member.email} out of ${group.name}`,
          onclick: () => leave(member),
        }),
    ),
  );
}

function actions(kind, thing, reload) {
  const end = () =>
    ask({
      title: `Delete the ${kind.word} ${thing.name}?`,
      content: h(
        "p",
        {},
        kind === ROLE ? "A role that somebody has stays." : "Its members lose what it gave them.",
      ),
      actions: [
        {
          text: `Delete the ${kind.word}`,
          look: "danger",
          run: () => remove(onePath(kind, thing)).then(reload),
        },
      ],
    });
  return [
    kind === GROUP &&
      button("Add…", {
        look: "quiet",
        "aria-label": `Add to ${thing.name}`,
        onclick: () => openJoin(thing, reload),
      }),
    thing.name !== "admin" &&
      button("Change…", {
        look: "quiet",
        "aria-label": `Change ${thing.name}`,
        onclick: () => openForm(kind, thing, reload),
      }),
    !thing.is_built_in &&
      button("Delete…", {
        look: "quiet danger-text",
        "aria-label": `Delete ${thing.name}`,
        onclick: end,
      }),
  ];
}

function openJoin(group, reload) {
  const who = field({ label: "E-mail", path: "user", control: input({ type: "email" }) });
  const run = async () => {
    await put(memberPath(group, who.control.value.trim()));
    reload();
    return true;
  };
  ask({
    title: `Add somebody to ${group.name}`,
    content: who.element,
    actions: [{ text: "Let them join", look: "primary", run }],
  });
}

/** The form for a new role or group, or for one that there is. */
function openForm(kind, thing, reload) {
  const name = field({
    label: "Name",
    path: "name",
    help: "a to z, 0 to 9 and -.",
    control: input({ maxlength: 63 }),
  });
  const description = field({
    label: "Description",
    path: "description",
    control: input({ maxlength: 500, value: thing?.description ?? "" }),
  });
  const text = h("textarea", { class: "input", rows: 6, spellcheck: "false" });
  text.value = thing?.rules.join("\n") ?? "";
  const lines = field({
    label: thing?.is_built_in ? "Rules that your org adds" : "Rules",
    path: "rules",
    help: "One a line, as in: deny execute templates/env=prod",
    control: text,
  });
  const fields = thing?.is_built_in
    ? [lines]
    : thing
      ? [description, lines]
      : [name, description, lines];
  const send = () => {
    const body = { rules: text.value.split("\n").filter((line) => line.trim()) };
    if (!thing?.is_built_in) body.description = description.control.value.trim();
    return thing
      ? patch(onePath(kind, thing), body)
      : post(kind.path, { ...body, name: name.control.value.trim() });
  };
  const run = async () => {
    try {
      await send();
    } catch (error) {
      const others = showProblems(fields, error.errors ?? []);
      if (!error.errors?.length || others.length) throw error;
      return false;
    }
    reload();
    return true;
  };
  ask({
    title: thing ? `Change the ${kind.word} ${thing.name}` : `New ${kind.word}`,
    content: fields.map((each) => each.element),
    actions: [{ text: "Save", look: "primary", run }],
  });
}

function noGroups() {
  return emptyState(
    "No groups",
    h(
      "p",
      {},
      "A group gives its members rules, and an approval policy can ask it: ",
      h("code", {}, "approvers: {groups: [oncall]}"),
      ".",
    ),
  );
}

function onePath(kind, thing) {
  return `${kind.path}/${encodeURIComponent(thing.name)}`;
}

function memberPath(group, who) {
  return `${onePath(GROUP, group)}/members/${encodeURIComponent(who)}`;
}
