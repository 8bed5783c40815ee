// From the address to a page, and back. Links are ordinary links; this takes over those that stay inside.

const routes = [];
let unmount = () => {};
let outlet = null;
let afterMount = () => {};
let shown = "";

/** Say which page stands behind a path such as `/templates/:name`. The first that fits wins. */
export function route(pattern, page) {
  const names = [];
  const source = pattern.replace(/:(\w+)/g, (_, name) => (names.push(name), "([^/]+)"));
  routes.push({ expression: new RegExp(`^${source}/?$`), names, page });
}

/** Show pages in `element` from now on. `mounted(path)` is called after each change of page. */
export function startRouter(element, mounted) {
  outlet = element;
  afterMount = mounted;
  addEventListener("popstate", () => location.pathname + location.search === shown || show());
  document.addEventListener("click", takeOver);
  show();
}

/** Go to another page. */
export function navigate(path, { isReplacing = false } = {}) {
  history[isReplacing ? "replaceState" : "pushState"](null, "", path);
  show();
}

/** Change the query of the address without leaving the page. Empty parameters are left out. */
export function setQuery(parameters) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value));
  history.replaceState(history.state, "", location.pathname + (query.size ? `?${query}` : ""));
  shown = location.pathname + location.search;
}

/** Where the person is, to come back to after logging in. */
export function here() {
  return location.pathname + location.search + location.hash;
}

/** The token of a link. It stands behind the `#`, which no browser sends; it goes from the address bar and history. */
export function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
  if (location.hash) history.replaceState(null, "", location.pathname);
  return token;
}

function show() {
  unmount();
  window.scrollTo(0, 0);
  outlet.replaceChildren();
  shown = location.pathname + location.search;
  const { page, params } = match(location.pathname);
  unmount =
    page.mount(outlet, { ...params, query: new URLSearchParams(location.search) }) ?? (() => {});
  afterMount(location.pathname);
}

function match(path) {
  for (const { expression, names, page } of routes) {
    const found = expression.exec(path);
    if (found)
      return {
        page,
        params: Object.fromEntries(names.map((name, i) => [name, decoded(found[i + 1])])),
      };
  }
  throw new Error("the last route must fit everything");
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
