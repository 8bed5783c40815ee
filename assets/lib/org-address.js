// The org that this window is about stands in its address, as in /orgs/acme/templates, and in that
// of all that it asks the server for. So windows of several orgs stand side by side, and what one
// shows or changes is never another's.

const OF_AN_ORG = /^\/orgs\/([^/]+)(?=\/|$)/;
const OF_THE_API = /^\/api\//;

let org = orgOf(location.pathname);

/** The code of the org that this window is about; "" before anybody has logged in. */
export function windowsOrg() {
  return org;
}

/** From now on this window is about the org of this code; "": about none. */
export function setWindowsOrg(code) {
  org = code;
}

/** The code of the org that a path names, "" if it names none. */
export function orgOf(path) {
  return OF_AN_ORG.exec(path)?.[1] ?? "";
}

/** The path of a page or of the API in this window's org, unless it names one itself. */
export function inOrg(path) {
  return org && !orgOf(path) ? `/orgs/${org}${path}` : path;
}

/** The path without its org, as the page table has it. */
export function withoutOrg(path) {
  return path.replace(OF_AN_ORG, "") || "/";
}

/** Whether a path is one of the server's API: for the browser itself, not for a page. */
export function isOfApi(path) {
  return OF_THE_API.test(withoutOrg(path));
}
