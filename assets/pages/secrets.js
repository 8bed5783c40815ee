// The org's secrets: what there is, and new values for them. No page ever shows a value.

import { button } from "../components/buttons.js";
import { ask, askForm, confirm, opensWith } from "../components/dialogs.js";
import { field, input } from "../components/fields.js";
import { ADMINS, firstOne } from "../components/first-one.js";
import { pageHeading } from "../components/headings.js";
import { actionsColumn, column, List, remark } from "../components/list.js";
import { get, post, put, remove } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { may } from "../lib/session.js";
import { ago, exactTime } from "../lib/times.js";
import { visible } from "../lib/visible.js";

const ABOUT = t`Values that phases need and nobody may see: encrypted, handed to workers, masked in logs.`;

export function mount(root, { title }) {
  const page = new AbortController();
  const list = new List({
    label: title,
    endpoint: "/secrets",
    columns: [...COLUMNS, actionsColumn((secret) => actions(secret, list))],
    key: ({ name }) => name,
    show: ({ name, environment_variable: variable }) => showing(name, variable),
    showNamed: (name) => showing(name),
    empty: nothingYet,
    signal: page.signal,
  });
  const open = () => openForm(null, list);
  const create =
    may("secrets.manage") &&
    button(t`New secret…`, { look: "primary", name: "plus", onclick: open });
  const below = h("p", { class: "muted" }, ABOUT);
  root.append(pageHeading(title, { actions: create, below }), list.element);
  return () => page.abort();
}

const COLUMNS = [
  column(t`Name`, ({ name, description }) => [
    h("strong", {}, name),
    description && remark(visible(description)),
  ]),
  column(t`In commands`, ({ environment_variable: name }) => h("code", {}, `$${name}`), {
    card: "none",
  }),
  column(t`Version`, ({ version }) => String(version), { isMinor: true }),
  column(t`Last rotated`, rotated, { isMinor: true }),
  column(t`By`, ({ updated_by: person }) => visible(person.name || person.email), {
    isMinor: true,
  }),
  column(t`Last used`, ({ last_use: use }) => lastUse(use)),
];

/** When it got another value; of one that never did, when its first one was given. */
function rotated({ rotated_at: at, created_at: made }) {
  if (at) return ago(at);
  return h("span", { class: "muted", title: t`made ${exactTime(made)}` }, t`never`);
}

/** When it was handed out last, and for which automation, if that may be seen. */
function lastUse(use) {
  if (use === null) return h("span", { class: "muted" }, t`never`);
  const { at, automation, template } = use;
  const link = automation && h("a", { href: `/automations/${automation}` }, visible(template));
  return [ago(at), link && h("div", { class: "small" }, t`by ${link}`)];
}

function showing(name, variable) {
  return opensWith(
    () => usesOf(name),
    (uses) => showUses(name, { ...uses, variable }),
  );
}

function actions(secret, list) {
  const { name } = secret;
  const end = opensWith(
    () => usesOf(name),
    (uses) =>
      confirm({
        title: t`Delete ${name}?`,
        text: deletingText(uses),
        action: t`Delete the secret`,
        run: () => remove("/secrets/{secret}", { path: { secret: name } }),
        done: list.reload,
      }),
  );
  const renew = () => openForm(secret, list);
  return [
    may("secrets.update") &&
      button(t`New value…`, {
        look: "quiet",
        "aria-label": t`New value of ${name}`,
        onclick: renew,
      }),
    may("secrets.manage") &&
      button(t`Delete…`, {
        look: "quiet",
        "aria-label": t`Delete ${name}`,
        onclick: end,
      }),
  ];
}

function usesOf(name) {
  return get("/secrets/{secret}/uses", { path: { secret: name } });
}

function deletingText({ templates, targets, hidden }) {
  const missing = [
    ...templates.map((name) => t`the template ${name}`),
    ...targets.map((name) => t`the target ${name}`),
    ...(hidden ? [t`${hidden} more that you may not see`] : []),
  ];
  if (!missing.length) return t`No template and no target names it.`;
  return t`It is used by ${missing.join(", ")}. What names it cannot run any more, and automations that wait for it will fail.`;
}

/** Which templates and targets name it: where a new value is to work, and who would miss it. */
function showUses(name, { templates, targets, hidden, last_run_at: at, variable }) {
  const links = (noun, names) =>
    names.map((each) => h("li", {}, h("a", { href: `/${noun}/${each}` }, each)));
  const count = templates.length + targets.length + hidden;
  const code = variable && h("code", {}, `$${variable}`);
  ask({
    title: t`Who uses ${name}`,
    content: [
      code && h("p", {}, t`In commands: ${code}`),
      !count && h("p", {}, t`No template and no target names it.`),
      templates.length > 0 && [
        h("h3", {}, t`Templates`),
        h("ul", {}, links("templates", templates)),
      ],
      targets.length > 0 && [h("h3", {}, t`Targets`), h("ul", {}, links("targets", targets))],
      hidden > 0 && h("p", { class: "muted" }, t`And ${hidden} more that you may not see.`),
      at && h("p", { class: "muted" }, t`One of the templates began last ${ago(at)}.`),
    ],
    actions: [],
    back: t`Close`,
  });
}

/** The form for a new secret, or for the next value of one that there is. */
function openForm(secret, list) {
  const name = field({
    label: t`Name`,
    path: "name",
    help: t`Phases name it under secrets: a to z, 0 to 9 and -.`,
    control: input({ maxlength: 63 }),
  });
  const description = field({
    label: t`Description`,
    path: "description",
    control: input({ maxlength: 500, value: secret?.description ?? "" }),
  });
  const value = field({
    label: t`Value`,
    path: "value",
    help: t`At least 6 bytes, as a shorter one could not be masked. Keys of several lines: opsicle secrets create.`,
    control: input({ type: "password", autocomplete: "new-password" }),
  });
  const send = () => {
    const body = { value: value.control.value, description: description.control.value.trim() };
    if (secret) return put("/secrets/{secret}", { path: { secret: secret.name }, body });
    return post("/secrets", { body: { ...body, name: name.control.value.trim() } });
  };
  askForm({
    title: secret ? t`New value of ${secret.name}` : t`New secret`,
    fields: secret ? [description, value] : [name, description, value],
    send,
    action: secret ? t`Keep the new value` : t`Keep the secret`,
    done: list.reload,
  });
}

function nothingYet() {
  const reference = h("code", {}, "secrets: [db-password]");
  return firstOne(
    t`No secrets`,
    t`A secret is a password or key that commands need; a template’s phase names it: ${reference}.`,
    {
      takes: "secrets.manage",
      command: "opsicle secrets create db-password --value-file FILE",
      by: ADMINS,
    },
  );
}
