// Which org this is, and the way to another of one's orgs.

import { getAll, post } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { may, whoAmI } from "../lib/session.js";
import { visible } from "../lib/visible.js";
import { askForm } from "./dialogs.js";
import { field, input } from "./fields.js";
import { icon } from "./icons.js";
import { closesByItself } from "./menus.js";
import { problemBox } from "./problems.js";
import { t } from "../lib/language.js";

/** The menu of the person's orgs, asked for when it is opened. */
export function orgSwitcher(me) {
  const list = h("div", { class: "menu-list" });
  const menu = h(
    "details",
    { class: "menu" },
    h(
      "summary",
      {
        class: "org",
        title: me.org.name || me.org.code,
        "aria-label": t`Org ${me.org.code}: switch`,
      },
      h("span", {}, me.org.code),
      icon("down"),
    ),
    list,
  );
  menu.addEventListener("toggle", () => menu.open && fill(list));
  return closesByItself(menu);
}

async function fill(list) {
  try {
    const orgs = await getAll("/orgs");
    replace(list, ...orgs.map(orgLink), may("orgs.create") && newOrgButton());
  } catch (error) {
    replace(list, problemBox(error));
  }
}

/** A window of another org is another address, so one may as well open it beside this one. */
function orgLink({ code, name, role, is_current }) {
  return h(
    "a",
    { href: `/orgs/${code}/`, "aria-current": is_current ? "true" : null },
    h("strong", {}, visible(name || code)),
    h("br", {}),
    h(
      "span",
      { class: "muted small" },
      is_current ? t`${code}, where you are` : t`${code}, as ${role}`,
    ),
  );
}

function newOrgButton() {
  return h("button", { type: "button", onclick: openForm }, t`Found an org…`);
}

function openForm() {
  const fields = [
    field({
      label: t`Code`,
      path: "code",
      help: t`2 to 32 of a to z, 0 to 9 and -. It never changes.`,
      control: input({ maxlength: 32 }),
    }),
    field({ label: t`Name`, path: "name", control: input({ maxlength: 200 }) }),
    field({
      label: t`First admin’s e-mail`,
      path: "admin",
      help: t`Somebody else than you only where you run the server.`,
      control: input({ type: "email", value: whoAmI().user.email }),
    }),
  ];
  const typed = () => fields.map(({ path, control }) => [path, control.value.trim()]);
  askForm({
    title: t`Found an org`,
    fields,
    send: () => post("/orgs", { body: Object.fromEntries(typed()) }),
    action: t`Found it`,
  });
}
