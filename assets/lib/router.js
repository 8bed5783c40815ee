// From the address to a page, and back. Links are ordinary links; this takes over those that stay
// inside.

import { queryText } from "./query.js";

let showPlace = () => {};
let shown = "";

/**
 * Show what stands behind the address now, and whenever it changes. `pages` have a `path` such as
 * `/templates/:name`; `show(entry, params)` is called with the first that fits, undefined if none
 * does.
 */
export function startRouter(pages, show) {
  const routes = pages.map((entry) => ({ entry, ...compiled(entry.path) }));
  showPlace = () => {
    shown = location.pathname + location.search;
    const { entry, params } = match(routes, location.pathname);
    show(entry, { ...params, query: new URLSearchParams(location.search) });
  };
  addEventListener("popstate", () => location.pathname + location.search === shown || showPlace());
  document.addEventListener("click", takeOver);
  showPlace();
}

/** Go to another page. */
export function navigate(path, { isReplacing = false } = {}) {
  history[isReplacing ? "replaceState" : "pushState"](null, "", path);
  showPlace();
}

/** Change the query of the address without leaving the page. Empty parameters are left out. */
export function setQuery(parameters) {
  history.replaceState(history.state, "", location.pathname + queryText(parameters));
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
  if (origin !== location.origin || pathname.startsWith("/api/")) return;
  if (hash && pathname === location.pathname && search === location.search) return;
  event.preventDefault();
  navigate(pathname + search + hash);
}

/** Whether a click asks for nothing special, such as a new tab. */
function isPlainClick(event) {
  const { metaKey, ctrlKey, shiftKey, altKey } = event;
  return event.button === 0 && !(metaKey || ctrlKey || shiftKey || altKey);
}
