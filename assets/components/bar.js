// What stands on top of every page: whose org it is, the search, what concerns the person, and who
// they are.

import { h } from "../lib/dom.js";
import { may } from "../lib/session.js";
import { toggleTheme } from "../lib/theme.js";
import { bell } from "./bell.js";
import { iconButton } from "./buttons.js";
import { icon } from "./icons.js";
import { closesByItself } from "./menus.js";
import { orgSwitcher } from "./org-switcher.js";
import { SEARCH_KEY } from "./palette.js";
import { t } from "../lib/language.js";

/** The bar of somebody who is logged in. */
export function barFor({ me, pages, waiting, search, logOut }) {
  return [
    orgSwitcher(me),
    searchButton(search),
    bell(waiting),
    themeButton(),
    accountMenu(me, pages, logOut),
  ];
}

/** What stands beside the logo where nobody is logged in. */
export function barForNobody() {
  return [h("span", { class: "grow" }), themeButton()];
}

function searchButton(search) {
  return h(
    "button",
    { type: "button", class: "bar-search", onclick: search, "aria-haspopup": "dialog" },
    icon("search"),
    h("span", {}, t`Find or do…`),
    h("kbd", { "aria-hidden": "true" }, SEARCH_KEY),
  );
}

function themeButton() {
  const element = iconButton("light", t`Switch between light and dark`, toggleTheme);
  element.append(icon("dark")); // the style sheet shows the one that is not on
  return element;
}

function accountMenu({ user, role, org, server_version: version }, pages, logOut) {
  const summary = h(
    "summary",
    { class: "button quiet", "aria-label": t`Account of ${user.email}: ${user.name}` },
    icon("user"),
    h("span", { class: "menu-name" }, user.name || user.email),
  );
  const links = pages
    .filter((entry) => entry.group === "account" && (!entry.may || may(entry.may)))
    .map(({ path, title }) => h("a", { href: path }, title));
  const where = h("span", { class: "muted" }, t`${role} in ${org.code}`);
  const list = h(
    "div",
    { class: "menu-list" },
    h("p", {}, h("strong", {}, user.email), h("br", {}), where),
    links,
    h("button", { type: "button", onclick: logOut }, t`Log out`),
    version && h("p", { class: "muted small" }, `Opsicle ${version}`),
  );
  return closesByItself(h("details", { class: "menu" }, summary, list));
}
