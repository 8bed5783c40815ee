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

const PLACES = [
  { path: "/templates", text: "Templates", name: "templates" },
  { path: "/automations", text: "Automations", name: "automations" },
  { path: "/approvals", text: "Approvals", name: "approvals" },
  { path: "/workers", text: "Workers", name: "workers" },
];

const MANAGED = [
  { path: "/people", text: "People", name: "people", action: "users.view" },
  { path: "/roles", text: "Roles and groups", name: "roles", action: "roles.view" },
  { path: "/policies", text: "Policies", name: "policies", action: "policies.view" },
  { path: "/secrets", text: "Secrets", name: "secrets", action: "secrets.view" },
  { path: "/channels", text: "Channels", name: "channels", action: "channels.view" },
  { path: "/audit", text: "Audit", name: "audit", action: "audit.view" },
];

/** Build the page's frame in `body`; gives { outlet, refresh(path) }. */
export function buildShell(body, { logOut }) {
  const outlet = h("main", { id: "main", class: "main" });
  const bar = h("header", { class: "bar" });
  const skip = h(
    "a",
    { class: "skip", href: "#main", onclick: (event) => skipTo(event, outlet) },
    "Skip to content",
  );
  const remarks = h("div", { class: "remarks" });
  body.replaceChildren(skip, bar, remarks, outlet, ...announcer());
  const refresh = (path) => {
    replace(bar, ...barFor(path, logOut));
    replace(remarks, ...remarksBox());
  };
  return { outlet, refresh };
}

/** What is not as it should be on the server, on every page of those who can mend it. */
function remarksBox() {
  const said = whoAmI()?.remarks ?? [];
  return said.map((remark) => noticeBox("warn", h("p", {}, remark)));
}

function barFor(path, logOut) {
  const me = whoAmI();
  const logo = h(
    "a",
    { class: "logo", href: "/templates", "aria-label": "Opsicle" },
    h("img", { src: "/logo.svg", alt: "", width: "24", height: "24" }),
    h("span", {}, "Opsicle"),
  );
  if (!me) return [logo, h("span", { class: "grow" }), themeButton()];
  return [
    logo,
    h(
      "nav",
      { class: "places-nav", "aria-label": "Main" },
      PLACES.map((place) => navLink(place, path)),
      manageMenu(path),
    ),
    h("span", { class: "grow" }),
    orgSwitcher(me),
    themeButton(),
    userMenu(me, logOut),
  ];
}

/** What is set up once in a while: everything that the person may look at. */
function manageMenu(path) {
  const places = MANAGED.filter((place) => may(place.action));
  if (!places.length) return null;
  const isHere = places.some((place) => isAt(place, path));
  const menu = h(
    "details",
    { class: "menu" },
    h(
      "summary",
      { "aria-current": isHere ? "true" : null },
      icon("manage"),
      h("span", {}, "Manage"),
    ),
    h(
      "div",
      { class: "menu-list" },
      places.map((place) => navLink(place, path)),
    ),
  );
  return closesByItself(menu);
}

function navLink(place, current) {
  const isHere = isAt(place, current);
  return h(
    "a",
    { href: place.path, "aria-current": isHere ? "page" : null },
    icon(place.name),
    h("span", {}, place.text),
  );
}

function isAt({ path }, current) {
  return current === path || current.startsWith(`${path}/`);
}

function themeButton() {
  const name = () => (currentTheme() === "dark" ? "light" : "dark");
  const element = iconButton(name(), "Switch between light and dark", () => {
    toggleTheme();
    element.replaceChildren(icon(name()));
  });
  return element;
}

function userMenu(me, logOut) {
  const menu = h(
    "details",
    { class: "menu" },
    h(
      "summary",
      { class: "button quiet", "aria-label": `Account of ${me.user.email}` },
      icon("user"),
      h("span", { class: "menu-name" }, me.user.name || me.user.email),
    ),
    h(
      "div",
      { class: "menu-list" },
      h(
        "p",
        {},
        h("strong", {}, me.user.email),
        h("br", {}),
        h("span", { class: "muted" }, `${me.role} in ${me.org.code}`),
      ),
      h("a", { href: "/profile" }, "Profile"),
      h("a", { href: "/tokens" }, "API tokens"),
      h("button", { type: "button", onclick: logOut }, "Log out"),
      me.server_version && h("p", { class: "muted small" }, `Opsicle ${me.server_version}`),
    ),
  );
  return closesByItself(menu);
}

function skipTo(event, outlet) {
  event.preventDefault();
  (outlet.querySelector("h1") ?? outlet).focus();
}
