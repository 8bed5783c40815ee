// What surrounds every page: where one can go, whose org it is, who is logged in.

import { h, replace } from "../lib/dom.js";
import { may, whoAmI } from "../lib/session.js";
import { currentTheme, toggleTheme } from "../lib/theme.js";
import { announcer } from "./announcer.js";
import { iconButton } from "./buttons.js";
import { icon } from "./icons.js";
import { closesByItself } from "./menus.js";
import { orgSwitcher } from "./org-switcher.js";
import { noticeBox } from "./problems.js";

/**
 * Build the page's frame in `body`; `pages` are those of page-table.js. Gives { outlet, refresh(path)
 * }.
 */
export function buildShell(body, { pages, logOut }) {
  const outlet = h("main", { id: "main", class: "main" });
  const bar = h("header", { class: "bar" });
  const onclick = (event) => skipTo(event, outlet);
  const skip = h("a", { class: "skip", href: "#main", onclick }, "Skip to content");
  const remarks = h("div", { class: "remarks" });
  body.replaceChildren(skip, bar, remarks, outlet, ...announcer());
  const refresh = (path) => {
    const links = (group) => linksTo(pages, group, path);
    replace(bar, logo(), whoAmI() ? navigation(links, logOut) : anonymous());
    replace(remarks, ...remarksBox());
  };
  return { outlet, refresh };
}

/** What is not as it should be on the server, on every page of those who can mend it. */
function remarksBox() {
  const said = whoAmI()?.remarks ?? [];
  return said.map((remark) => noticeBox("warn", h("p", {}, remark)));
}

function logo() {
  return h(
    "a",
    { class: "logo", href: "/templates", "aria-label": "Opsicle" },
    h("img", { src: "/logo.svg", alt: "", width: "24", height: "24" }),
    h("span", {}, "Opsicle"),
  );
}

/** What stands beside the logo where nobody is logged in. */
function anonymous() {
  return [h("span", { class: "grow" }), themeButton()];
}

function navigation(links, logOut) {
  const main = [links("main"), manageMenu(links("manage"))];
  return [
    h("nav", { class: "main-nav", "aria-label": "Main" }, main),
    h("span", { class: "grow" }),
    orgSwitcher(whoAmI()),
    themeButton(),
    userMenu(whoAmI(), links("account"), logOut),
  ];
}

/**
 * Links to the pages of a group that the person may see; `current` is the path of where they are.
 */
function linksTo(pages, group, current) {
  return pages
    .filter((entry) => entry.group === group && (!entry.may || may(entry.may)))
    .map(({ path, title, icon: name }) => {
      const isHere = current === path || current.startsWith(`${path}/`);
      const properties = { href: path, "aria-current": isHere ? "page" : null };
      return h("a", properties, name && icon(name), h("span", {}, title));
    });
}

/** What is set up once in a while. */
function manageMenu(links) {
  if (!links.length) return null;
  const isHere = links.some((link) => link.hasAttribute("aria-current"));
  const summary = h(
    "summary",
    { "aria-current": isHere ? "true" : null },
    icon("manage"),
    h("span", {}, "Manage"),
  );
  return menu(summary, links);
}

function themeButton() {
  const name = () => (currentTheme() === "dark" ? "light" : "dark");
  const element = iconButton(name(), "Switch between light and dark", () => {
    toggleTheme();
    element.replaceChildren(icon(name()));
  });
  return element;
}

function userMenu({ user, role, org, server_version: version }, links, logOut) {
  const summary = h(
    "summary",
    { class: "button quiet", "aria-label": `Account of ${user.email}` },
    icon("user"),
    h("span", { class: "menu-name" }, user.name || user.email),
  );
  const where = h("span", { class: "muted" }, `${role} in ${org.code}`);
  return menu(summary, [
    h("p", {}, h("strong", {}, user.email), h("br", {}), where),
    links,
    h("button", { type: "button", onclick: logOut }, "Log out"),
    version && h("p", { class: "muted small" }, `Opsicle ${version}`),
  ]);
}

function menu(summary, content) {
  const list = h("div", { class: "menu-list" }, content);
  return closesByItself(h("details", { class: "menu" }, summary, list));
}

function skipTo(event, outlet) {
  event.preventDefault();
  (outlet.querySelector("h1") ?? outlet).focus();
}
