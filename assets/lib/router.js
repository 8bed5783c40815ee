// From the address to a page, and back. Links are ordinary links; this takes over those that stay
// inside.

import { inOrg, isOfApi, orgOf, withoutOrg, windowsOrg } from "./org-address.js";
import { queryText } from "./query.js";

let showPlace = () => {};
let shown = "";
let leaving = null; // what asks before another page is shown

const SCROLL = "scroll";
const QUIET_MS = 200; // after the last movement of the page
const GIVE_UP_MS = 5_000; // a page that has not grown to its old height by then will not

/**
 * Show what stands behind the address now, and whenever it changes. `pages` have a `path` such as
 * `/templates/:name`; `show(entry, params)` is called with the first that fits, undefined if none
 * does.
 */
export function startRouter(pages, show) {
  const routes = pages.map((entry) => ({ entry, ...compiled(entry.path) }));
  showPlace = () => {
    const { entry, params } = match(routes, withoutOrg(location.pathname));
    if (entry?.group !== "open") nameOrg();
    shown = location.pathname + location.search;
    show(entry, { ...params, query: new URLSearchParams(location.search) });
  };
  history.scrollRestoration = "manual"; // what a page shows comes later than the page
  addEventListener("popstate", () => {
    if (location.pathname + location.search === shown) return;
    if (leaving?.isNeeded()) {
      askBeforeBack();
      return;
    }
    showPlace();
    scrollBack(keptHere(SCROLL));
  });
  keepScroll();
  document.addEventListener("click", takeOver);
  showPlace();
}

/** Go to another page, unless the person would rather stay on this one. */
export async function navigate(path, { isReplacing = false } = {}) {
  if (!isReplacing) {
    if (leaving?.isNeeded() && !(await leaving.ask())) return;
    leaving = null;
  }
  history[isReplacing ? "replaceState" : "pushState"](null, "", inOrg(path));
  showPlace();
}

/**
 * From now on `ask()`, which resolves to whether to leave, is asked before another page is shown,
 * while `isNeeded()`. Gives the way to stop.
 */
export function guardLeaving(guard) {
  leaving = guard;
  return () => {
    if (leaving === guard) leaving = null;
  };
}

/** The browser has gone back already: stay at the address until the person has said. */
async function askBeforeBack() {
  history.pushState(null, "", shown);
  if (!(await leaving.ask())) return;
  leaving = null;
  history.back();
}

/** Somebody came by an address without an org, or has just logged in to another one. */
function nameOrg() {
  const { pathname, search, hash } = location;
  if (windowsOrg() && orgOf(pathname) !== windowsOrg())
    history.replaceState(history.state, "", inOrg(withoutOrg(pathname)) + search + hash);
}

/** Keep something with this place in the history, for who comes back to it; undefined: no longer. */
export function keepHere(name, value) {
  history.replaceState({ ...history.state, [name]: value }, "");
}

/** What was kept with this place in the history. */
export function keptHere(name) {
  return history.state?.[name];
}

function keepScroll() {
  let timer = 0;
  const keep = () => keepHere(SCROLL, Math.round(scrollY) || undefined);
  addEventListener("scroll", () => (clearTimeout(timer), (timer = setTimeout(keep, QUIET_MS))), {
    passive: true,
  });
}

/** Go down to where the person was, once the page is high enough; unless they move it themselves. */
function scrollBack(y) {
  if (!y) return;
  const page = new AbortController();
  const { signal } = page;
  const watch = new ResizeObserver(() => {
    if (document.documentElement.scrollHeight < y + innerHeight) return;
    scrollTo(0, y);
    page.abort();
  });
  signal.addEventListener("abort", () => watch.disconnect());
  for (const kind of ["wheel", "touchstart", "keydown", "popstate"])
    addEventListener(kind, () => page.abort(), { signal, passive: true });
  setTimeout(() => page.abort(), GIVE_UP_MS);
  watch.observe(document.body);
}

/** Change the query of the address without leaving the page. Empty parameters are left out. */
export function setQuery(parameters) {
  replaceQuery(queryText(parameters));
}

/** Do the same with a query as it stands in an address, `?` included, or "" for none. */
export function replaceQuery(text) {
  history.replaceState(history.state, "", location.pathname + text);
  shown = location.pathname + location.search;
}

/** Where the person is, to come back to after logging in. */
export function here() {
  return location.pathname + location.search + location.hash;
}

/**
 * The token of a link. It stands behind the `#`, which no browser sends; it goes from the address
 * bar and history.
 */
export function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
  if (location.hash) history.replaceState(null, "", location.pathname);
  return token;
}

function compiled(path) {
  const names = [];
  const source = path.replace(/:(\w+)/g, (_, name) => (names.push(name), "([^/]+)"));
  return { names, expression: new RegExp(`^${source}/?$`) };
}

function match(routes, path) {
  for (const { entry, names, expression } of routes) {
    const found = expression.exec(path);
    const params = names.map((name, i) => [name, decoded(found?.[i + 1])]);
    if (found) return { entry, params: Object.fromEntries(params) };
  }
  return {};
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function takeOver(event) {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || !isPlainClick(event)) return;
  if (link.target || link.hasAttribute("download")) return;
  const { origin, pathname, search, hash } = new URL(link.href);
  if (origin !== location.origin || isOfApi(pathname)) return;
  if (orgOf(pathname) !== windowsOrg()) return; // all that this window holds is of its own org
  if (hash && pathname === location.pathname && search === location.search) return;
  event.preventDefault();
  navigate(pathname + search + hash);
}

/** Whether a click asks for nothing special, such as a new tab. */
function isPlainClick(event) {
  const { metaKey, ctrlKey, shiftKey, altKey } = event;
  return event.button === 0 && !(metaKey || ctrlKey || shiftKey || altKey);
}
