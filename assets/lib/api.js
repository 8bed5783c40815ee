// Every request to the server goes through here.

import { setMe, whoAmI } from "./session.js";
import { noteServerTime } from "./times.js";

const CSRF = "Opsicle-CSRF";
const API = "/api/v1";

/** What the server (or the way to it) said no with; see RFC 9457. `errors` is a list of {path, line, message}. */
export class ApiError extends Error {
  constructor({ status = 0, code = "error", title = "", detail = "", hint = "", errors = [] }) {
    super(detail || title);
    Object.assign(this, { name: "ApiError", status, code, title, detail, hint, errors });
  }
}

let whenLoggedOut = () => {};

/** Call `listener(person)` whenever the server says that nobody is logged in any more; `person` was. */
export function onLoggedOut(listener) {
  whenLoggedOut = listener;
}

let proveAgain = async () => false;

/** Call `prove` when the server wants a fresh code before a change, which is sent again if it resolves with true. */
export function onStepUpRequired(prove) {
  proveAgain = prove;
}

/** Ask for something. Throws ApiError, or AbortError when `signal` says that nobody wants it any more. */
export function get(path, { signal } = {}) {
  return call("GET", path, { signal });
}

/** Change something. Throws ApiError. */
export function post(path, body, { headers, signal } = {}) {
  return call("POST", path, { body, headers, signal });
}

/** Change part of something. Throws ApiError. */
export function patch(path, body) {
  return call("PATCH", path, { body });
}

/** Put the next one in something's place. Throws ApiError. */
export function put(path, body) {
  return call("PUT", path, { body });
}

/** Remove something. Throws ApiError. */
export function remove(path) {
  return call("DELETE", path, {});
}

/** Every item of a paged list. */
export async function getAll(path, { signal } = {}) {
  const items = [];
  let cursor = "";
  do {
    const page = await get(cursor ? withQuery(path, { cursor }) : path, { signal });
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor);
  return items;
}

/** Find out who is logged in; null if nobody is. */
export async function loadMe() {
  try {
    setMe(await send("GET", "/whoami", {}));
  } catch (error) {
    if (error.status !== 401) throw error;
    setMe(null);
  }
  return whoAmI();
}

/** Log in with a cookie for this browser. Throws ApiError, with code "totp_required" where `totp` is needed too. */
export async function logIn(email, password, { totp = "", org = "" } = {}) {
  const reply = await send("POST", "/login", {
    body: { email, password, totp, org, kind: "browser" },
  });
  setMe(reply.me);
  return loadMe();
}

/** End the session here and on the server. */
export async function logOut() {
  try {
    await send("POST", "/logout", {});
  } catch (error) {
    if (error.status !== 401) throw error; // the session was over already: just what was wanted
  }
  setMe(null);
}

/** A response whose body comes piece by piece, for lib/events.js. Throws ApiError. */
export async function open(path, { headers, signal }) {
  const response = await fetchOrExplain(API + path, { headers, signal, cache: "no-store" });
  if (response.ok) return response;
  const error = await problem(response);
  if (error.status === 401) loggedOut();
  throw error;
}

/** `path` with these query parameters; empty ones are left out. */
export function withQuery(path, parameters) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value));
  const separator = path.includes("?") ? "&" : "?";
  return query.size ? `${path}${separator}${query}` : path;
}

/** Where the server serves an API path, for links that the browser itself follows. */
export function apiAddress(path) {
  return API + path;
}

async function call(method, path, options) {
  try {
    return await send(method, path, options);
  } catch (error) {
    if (error.status === 401) loggedOut();
    if (error.code === "step_up_required") {
      if (await proveAgain()) return call(method, path, options);
      throw error;
    }
    if (error.status === 403 && method !== "GET" && (await hasNewSession()))
      return send(method, path, options);
    throw error;
  }
}

/** Someone logged in anew in another tab: the same cookie jar, another CSRF token. */
async function hasNewSession() {
  const before = whoAmI();
  const now = await loadMe();
  return now !== null && before?.user.id === now.user.id && before.csrf_token !== now.csrf_token;
}

function loggedOut() {
  const person = whoAmI();
  setMe(null);
  whenLoggedOut(person);
}

async function send(method, path, { body, headers = {}, signal }) {
  const all = { Accept: "application/json", ...headers };
  if (body !== undefined) all["Content-Type"] = "application/json";
  if (method !== "GET" && whoAmI()?.csrf_token) all[CSRF] = whoAmI().csrf_token;
  const content = body === undefined ? undefined : JSON.stringify(body);
  const response = await fetchOrExplain(API + path, {
    method,
    headers: all,
    body: content,
    signal,
    cache: "no-store",
  });
  if (!response.ok) throw await problem(response);
  return response.status === 204 ? undefined : response.json();
}

async function fetchOrExplain(address, options) {
  try {
    const response = await fetch(address, {
      credentials: "same-origin",
      redirect: "error",
      ...options,
    });
    noteServerTime(response.headers.get("Date"));
    return response;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError({
      code: "unreachable",
      title: "The server does not answer",
      hint: "Check that it runs and that you are on its network, then try again.",
    });
  }
}

async function problem(response) {
  try {
    return new ApiError({ status: response.status, ...(await response.json()) });
  } catch {
    return new ApiError({
      status: response.status,
      title: `The server answered ${response.status}`,
      hint: "Something between this page and the server may be in the way. Try again in a moment.",
    });
  }
}
