// Who may do what, and by which rule: the question of `opsicle can`, kept in the address.

import { button } from "../components/buttons.js";
import { field, input, select } from "../components/fields.js";
import { pageForm } from "../components/forms.js";
import { pageHeading } from "../components/headings.js";
import { noticeBox } from "../components/problems.js";
import { get, getAll } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { setQuery } from "../lib/router.js";
import { said } from "../lib/server-texts.js";
import { may, whoAmI } from "../lib/session.js";
import { visible } from "../lib/visible.js";

const VERBS = [
  ["view", t`see`],
  ["execute", t`run`],
  ["create", t`make`],
  ["update", t`change`],
  ["delete", t`delete`],
  ["manage", t`manage`],
];

const THINGS = [
  ["templates", t`templates`],
  ["automations", t`automations`],
  ["workers", t`workers`],
  ["targets", t`targets`],
  ["secrets", t`secrets`],
  ["schedules", t`schedules`],
  ["triggers", t`triggers`],
  ["approvals", t`approvals`],
  ["policies", t`policies`],
  ["users", t`people`],
  ["roles", t`roles`],
  ["groups", t`groups`],
  ["channels", t`channels`],
  ["audit", t`the record`],
  ["orgs", t`the org`],
];

/** Things of which one may be named, with where their names come from. */
const NAMED = {
  templates: ["/templates", "templates.view"],
  targets: ["/targets", "targets.view"],
  secrets: ["/secrets", "secrets.view"],
};

export function mount(root, { title, query }) {
  const page = new AbortController();
  const { signal } = page;
  const [thing, ...rest] = (query.get("resource") ?? "templates").split("/");
  const suggestions = h("datalist", { id: "names-of-things" });
  const people = h("datalist", { id: "people-of-the-org" });
  const fields = {
    user: field({
      label: t`Who`,
      path: "user",
      help: t`An e-mail address.`,
      control: input({
        type: "email",
        list: people.id,
        value: query.get("user") ?? whoAmI().user.email,
      }),
    }),
    action: field({
      label: t`May they`,
      path: "action",
      control: select(VERBS, query.get("action") ?? "execute"),
    }),
    thing: field({ label: t`What`, path: "resource", control: select(THINGS, thing) }),
    name: field({
      label: t`Its name`,
      path: "name",
      help: t`Empty: any of them.`,
      control: input({ list: suggestions.id, value: rest.join("/") }),
    }),
  };
  const answer = h("div", { role: "status" });
  const asked = () => {
    const { user, action, thing: kind, name } = fields;
    const named = name.control.value.trim();
    const resource = named ? `${kind.control.value}/${named}` : kind.control.value;
    return { user: user.control.value.trim(), action: action.control.value, resource };
  };
  const send = async () => {
    answer.replaceChildren();
    setQuery(asked());
    replace(answer, answerView(await get("/can", { query: asked(), signal })));
  };
  const suggest = () => suggestNames(suggestions, fields.thing.control.value, signal);
  fields.thing.control.addEventListener("change", suggest);
  const submit = button(t`Ask`, { look: "primary", type: "submit" });
  const form = pageForm({
    look: "form",
    fields: Object.values(fields),
    submit,
    foot: h("div", { class: "form-actions" }, submit),
    send,
  });
  root.append(
    pageHeading(title, {
      above: h("a", { href: "/people" }, t`People`),
      below: h(
        "p",
        { class: "muted" },
        t`The same check that the server makes before it does something.`,
      ),
    }),
    h("div", { class: "columns run" }, h("section", {}, form), h("section", {}, answer)),
    suggestions,
    people,
  );
  suggest();
  fill(people, "/users", ({ email }) => email, signal);
  if (query.get("resource")) form.requestSubmit();
  return () => page.abort();
}

function suggestNames(list, thing, signal) {
  const [endpoint, action] = NAMED[thing] ?? [];
  list.replaceChildren();
  if (endpoint && may(action)) fill(list, endpoint, ({ name }) => name, signal);
}

/** Names that help with typing; without them one types as well. */
async function fill(list, endpoint, nameOf, signal) {
  try {
    const found = await getAll(endpoint, { signal });
    list.replaceChildren(...found.map((each) => h("option", { value: nameOf(each) })));
  } catch (error) {
    console.debug(error);
  }
}

function answerView({ user, is_allowed: isAllowed, why }) {
  const who = visible(user);
  return noticeBox(
    isAllowed ? "note" : "warn",
    h("strong", {}, isAllowed ? t`${who} may do this` : t`${who} may not do this`),
    h("p", {}, visible(said(why))),
  );
}
