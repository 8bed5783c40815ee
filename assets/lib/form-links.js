// Links that fill the form of a template: `?var.site=ams&var.site=fra&reason=…`. Secret values and
// files are never in one, and are not taken from one.

import { inOrg } from "./org-address.js";
import { typeOf } from "./values.js";

const PREFIX = "var.";

/**
 * What a link says: `texts` by the id of their variables, as if they were typed; `refused` are the
 * ids that are not taken from a link, `unknown` those that the template has not.
 */
export function readFormLink(variables, query) {
  const names = new Set([...query.keys()].filter((key) => key.startsWith(PREFIX)));
  const known = new Map(variables.map((variable) => [variable.id, variable]));
  const found = { texts: {}, refused: [], unknown: [] };
  for (const name of names) {
    const id = name.slice(PREFIX.length);
    const variable = known.get(id);
    if (!variable) found.unknown.push(id);
    else if (!isShared(variable)) found.refused.push(id);
    else found.texts[id] = query.getAll(name).join("\n");
  }
  return found;
}

/** A query without what a link must not hold, so that it stays in no history. */
export function withoutRefused(query, refused) {
  const kept = new URLSearchParams(query);
  for (const id of refused) kept.delete(PREFIX + id);
  return kept.size ? `?${kept}` : "";
}

/** The link to a form filled with these texts, by the variables' ids. */
export function formLink(path, variables, texts) {
  const query = new URLSearchParams();
  for (const variable of variables.filter(isShared)) {
    const text = texts[variable.id] ?? "";
    const lines = variable.multiple ? text.split("\n").filter(Boolean) : [text];
    for (const line of lines.filter(Boolean)) query.append(PREFIX + variable.id, line);
  }
  return location.origin + inOrg(path) + (query.size ? `?${query}` : "");
}

function isShared(variable) {
  return !["secret", "file"].includes(typeOf(variable));
}
