// Where a template is: its page, and the server's description of one of its versions.

import { get } from "./api.js";

/** The path of a template's page. */
export function pathOf({ name }) {
  return `/templates/${encodeURIComponent(name)}`;
}

/** A version of a template, the newest if `version` is empty. */
export function getTemplate(name, version, { signal }) {
  if (!version) return get("/templates/{name}", { path: { name }, signal });
  return get("/templates/{name}/versions/{version}", { path: { name, version }, signal });
}
