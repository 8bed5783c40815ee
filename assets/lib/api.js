// Every request to the server goes through here.

import { ENDPOINTS, PREFIX } from "./endpoints.js";
import { speakAs, t } from "./language.js";
import { inOrg, setWindowsOrg, windowsOrg } from "./org-address.js";
import { queryText } from "./query.js";
import { saidProblem } from "./server-texts.js";
import { setMe, whoAmI } from "./session.js";
import { noteServerTime } from "./times.js";

const CSRF = "Opsicle-CSRF";
const FETCHING = { credentials: "same-origin", redirect: "error", cache: "no-store" };

/**
 * What the server (or the way to it) said no with; see RFC 9457. `errors` is a list of {path, line,
 * message}.
 */
export class ApiError extends Error {
  constructor({ status = 0, code = "error", title = "", detail = "", hint = "", errors = [] }) {
    super(detail || title);
    Object.assign(this, { name: "ApiError", status, code, title, detail, hint, errors });
  }
}

let askLogin = async () => false;
let comingBack = null;

/**
 * Call `ask(person)` when the server says that nobody is logged in any more; `person` was. What the
 * server has refused is sent again if it resolves with true: the same person is back.
 */
export function onSessionEnded(ask) {
  askLogin = ask;
}

/** Have whoever was logged in log in again, once for all that wait for it. Resolves with whether. */
export function comeBack() {
  comingBack ??= askLogin(whoAmI()).finally(() => (comingBack = null));
  return comingBack;
}

let proveAgain = async () => false;

/**
 * Call `prove` when the server wants a fresh code before a change, which is sent again if it
 * resolves with true.
 */
export function onStepUpRequired(prove) {
  proveAgain = prove;
}

/**
 * Ask for what an endpoint of lib/endpoints.js gives. `path` fills its placeholders, `query` is
 * what stands behind the `?`; empty values of it are left out. Throws ApiError, or AbortError when
 * `signal` says that nobody wants it any more.
 */
export function get(endpoint, options) {
  return call("GET", endpoint, options);
}

/**
 * Change something, with `body` as JSON; takes `path`, `query`, `headers`, `signal` too. Throws
 * ApiError.
 */
export function post(endpoint, options) {
  return call("POST", endpoint, options);
}

/**
 * Send a `file` as it is; `onProgress(bytes)` hears how much of it has gone. Takes `path`, `query`,
 * `signal` too. Throws ApiError.
 */
export function upload(endpoint, options) {
  return call("POST", endpoint, options);
}

/** Change part of something; takes what `post` takes. Throws ApiError. */
export function patch(endpoint, options) {
  return call("PATCH", endpoint, options);
}

/** Put the next one in something's place; takes what `post` takes. Throws ApiError. */
export function put(endpoint, options) {
  return call("PUT", endpoint, options);
}

/** Remove something; takes what `post` takes. Throws ApiError. */
export function remove(endpoint, options) {
  return call("DELETE", endpoint, options);
}

/** Every item of a paged list; takes what `get` takes. */
export async function getAll(endpoint, { path, query, signal } = {}) {
  const items = [];
  let cursor = "";
  do {
    const page = await get(endpoint, { path, query: { ...query, cursor }, signal });
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor);
  return items;
}

/** Find out who is logged in to this window's org; null if nobody is. */
export async function loadMe() {
  knowMe(await findSession());
  return whoAmI();
}

/**
 * Who is logged in to this window's org (`Me` of the API), without this page's knowing it from now
 * on. Whoever is logged in to another of their orgs enters this one too; null if they may not, or
 * nobody is.
 */
export async function findSession() {
  const me = await orNobody(send("GET", "/whoami"));
  return me ?? (windowsOrg() ? orNobody(enterOrg()) : null);
}

async function enterOrg() {
  const { csrf_token: token } = await send("GET", "/whoami", { isOfNoOrg: true });
  const headers = { [CSRF]: token };
  const path = { org: windowsOrg() };
  const entering = { path, body: ENTERED, headers, isOfNoOrg: true };
  await send("POST", "/orgs/{org}/switch", entering);
  return send("GET", "/whoami");
}

async function orNobody(asked) {
  try {
    return await asked;
  } catch (error) {
    if (![401, 403, 404].includes(error.status)) throw error;
    return null;
  }
}

/** The window that led here stays where it is. */
const ENTERED = { is_kept: true };

function knowMe(me) {
  setMe(me);
  if (!me) return;
  speakAs(me.display.language);
  setWindowsOrg(me.org.code);
}

/**
 * Log in with a cookie for this browser. Throws ApiError, with code "totp_required" where `totp` is
 * needed too.
 */
export async function logIn(email, password, { totp = "", org = "" } = {}) {
  const reply = await send("POST", "/login", {
    body: { email, password, totp, org, kind: "browser" },
  });
  knowMe(reply.me);
  return loadMe();
}

/** End the session here and on the server. */
export async function logOut() {
  try {
    await send("POST", "/logout");
  } catch (error) {
    if (error.status !== 401) throw error; // the session was over already: just what was wanted
  }
  setMe(null);
}

/** A response whose body comes piece by piece, if need be after a login. Throws ApiError. */
export async function open(endpoint, options) {
  try {
    return await openOnce(endpoint, options);
  } catch (error) {
    if (error.status === 401 && (await comeBack())) return openOnce(endpoint, options);
    throw error;
  }
}

/** The same for who has a login of their own to wait for, as lib/events.js does. */
export async function openOnce(endpoint, { path, query, headers, signal }) {
  const response = await fetchOrExplain(addressOf(endpoint, { path, query }), { headers, signal });
  if (response.ok) return response;
  throw await problem(response);
}

/**
 * Where the server serves an endpoint, for links that the browser itself follows too; `isOfNoOrg`:
 * not in this window's org.
 */
export function addressOf(endpoint, { path = {}, query = {}, isOfNoOrg } = {}, method = "GET") {
  if (!ENDPOINTS.has(`${method} ${endpoint}`)) {
    throw new Error(`${method} ${endpoint} is missing in lib/endpoints.js`);
  }
  const filled = endpoint.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(path[name]));
  const address = PREFIX + filled;
  return (isOfNoOrg ? address : inOrg(address)) + queryText(query);
}

async function call(method, endpoint, options = {}) {
  const place = location.href;
  try {
    return await send(method, endpoint, options);
  } catch (error) {
    if (error.status === 401) {
      const isBack = await comeBack();
      // Nothing is changed for a page that the person has left meanwhile.
      if (isBack && (method === "GET" || place === location.href))
        return send(method, endpoint, options);
    }
    if (error.code === "step_up_required") {
      if (await proveAgain()) return call(method, endpoint, options);
      throw error;
    }
    if (error.status === 403 && method !== "GET" && (await hasNewSession()))
      return send(method, endpoint, options);
    throw error;
  }
}

/** Someone logged in anew in another tab: the same cookie jar, another CSRF token. */
async function hasNewSession() {
  const before = whoAmI();
  const now = await loadMe();
  return now !== null && before?.user.id === now.user.id && before.csrf_token !== now.csrf_token;
}

async function send(method, endpoint, { body, headers, signal, ...sending } = {}) {
  const all = { Accept: "application/json" };
  if (body !== undefined) all["Content-Type"] = "application/json";
  if (sending.file) all["Content-Type"] = "application/octet-stream";
  if (method !== "GET" && whoAmI()?.csrf_token) all[CSRF] = whoAmI().csrf_token;
  Object.assign(all, headers);
  const content = body === undefined ? undefined : JSON.stringify(body);
  const address = addressOf(endpoint, sending, method);
  const response = sending.file
    ? await sendFile(address, { ...sending, headers: all, signal })
    : await fetchOrExplain(address, { method, headers: all, body: content, signal });
  if (!response.ok) throw await problem(response);
  return response.status === 204 ? undefined : response.json();
}

/** Fetch does not say how much of a body has gone; the older way does. */
function sendFile(address, { headers, file, signal, onProgress }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", ({ loaded }) => onProgress(loaded));
    request.addEventListener("load", () =>
      resolve(new Response(request.responseText, { status: request.status })),
    );
    request.addEventListener("error", () => reject(unreachable()));
    request.addEventListener("abort", () => reject(signal.reason));
    signal?.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

async function fetchOrExplain(address, options) {
  try {
    const response = await fetch(address, { ...FETCHING, ...options });
    noteServerTime(response.headers.get("Date"));
    return response;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable();
  }
}

function unreachable() {
  return new ApiError({
    code: "unreachable",
    title: t`The server does not answer`,
    hint: t`Check that it runs and that you are on its network, then try again.`,
  });
}

async function problem(response) {
  try {
    return new ApiError({ status: response.status, ...(await saidProblem(await response.json())) });
  } catch {
    return new ApiError({
      status: response.status,
      title: t`The server answered ${response.status}`,
      hint: t`Something between this page and the server may be in the way. Try again in a moment.`,
    });
  }
}
