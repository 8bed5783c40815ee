// The way to every page: at the left, or at the bottom of a telephone.

import { h, replace } from "../lib/dom.js";
import { withoutOrg } from "../lib/org-address.js";
import { may } from "../lib/session.js";
import { icon } from "./icons.js";
import { t } from "../lib/language.js";

/** How many links a telephone has room for beside "More". */
const AT_THE_THUMB = 4;

/** Pages that belong to one whose path theirs does not begin with. */
const BELONGS = {
  "/push": "/templates",
  "/logs": "/automations",
  "/planned": "/schedules",
  "/join-tokens": "/workers",
  "/access": "/people",
  "/target-versions": "/targets",
};

/**
 * Fill `nav` with links to the `pages` that the person may see; `waiting` counts what waits for
 * their decision. Gives { mark(path) }, which says where they are.
 */
export function rail(nav, { pages, waiting }) {
  const links = (group) =>
    pages.filter((entry) => entry.group === group && isOpen(entry)).map(link);
  const main = links("main");
  const manage = links("manage");
  const more = h("button", { type: "button", class: "rail-more", "aria-expanded": "false" });
  replace(more, icon("more"), h("span", {}, t`More`));
  const rest = h(
    "div",
    { class: "rail-rest" },
    main.slice(AT_THE_THUMB),
    manage.length > 0 && h("h2", { class: "rail-head" }, t`Manage`),
    manage,
  );
  opensAbove(nav, more, rest);
  replace(nav, main.slice(0, AT_THE_THUMB), more, rest);
  const approvals = main.find((each) => withoutOrg(each.pathname) === "/approvals");
  if (approvals) waiting.listen((count) => showCount(approvals, count));
  return { mark: (path) => mark([...main, ...manage], more, path) };
}

function isOpen({ may: action }) {
  return !action || may(action);
}

function link({ path, title, icon: name }) {
  return h("a", { href: path, title }, icon(name), h("span", {}, title));
}

function mark(links, more, path) {
  for (const each of links) {
    const pathname = withoutOrg(each.pathname);
    const isInside = pathname !== "/" && path.startsWith(`${pathname}/`);
    const isHere = path === pathname || isInside || BELONGS[path] === pathname;
    if (isHere) each.setAttribute("aria-current", "page");
    else each.removeAttribute("aria-current");
  }
  const isBehind = more.nextSibling.querySelector("[aria-current]") !== null;
  more.classList.toggle("is-here", isBehind);
  more.setAttribute("aria-expanded", "false");
}

function showCount(element, count) {
  element.querySelector(".count")?.remove();
  if (!count) return;
  element.append(
    h(
      "span",
      { class: "count" },
      h("span", { class: "unseen" }, " · "),
      String(count),
      h("span", { class: "unseen" }, " ", t`to decide`),
    ),
  );
}

/** On a telephone the rest of the links opens above the bar; elsewhere it is always there. */
function opensAbove(nav, more, rest) {
  const set = (isWanted) => more.setAttribute("aria-expanded", String(isWanted));
  more.addEventListener("click", () => set(more.getAttribute("aria-expanded") === "false"));
  nav.addEventListener(
    "focusout",
    ({ relatedTarget }) => nav.contains(relatedTarget) || set(false),
  );
  nav.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || more.getAttribute("aria-expanded") === "false") return;
    set(false);
    more.focus();
  });
  rest.addEventListener("click", () => set(false));
}
