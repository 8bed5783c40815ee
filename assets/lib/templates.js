// Where a template is: its page, and the server's description of one of its versions.

import { get } from "./api.js";
import { t } from "./language.js";
import { queryText } from "./query.js";

/** The path of a template's page. */
export function pathOf({ name }) {
  return `/templates/${encodeURIComponent(name)}`;
}

/** A version of a template, the newest if `version` is empty. */
export function getTemplate(name, version, { signal }) {
  if (!version) return get("/templates/{name}", { path: { name }, signal });
  return get("/templates/{name}/versions/{version}", { path: { name, version }, signal });
}

/** What somebody tries before it is pushed, as a version 0. */
export function getDraft(id, { signal }) {
  return get("/template-drafts/{draft_id}", { path: { draft_id: id }, signal });
}

/** Where a draft of a template is written on. */
export function draftPath({ name, id }) {
  return `${pathOf({ name })}/push${queryText({ draft: id })}`;
}

/** A version for people: a draft was only ever tried, so it has no number. */
export function versionText(version) {
  return version ? t`version ${version}` : t`draft`;
}
