// Somebody else has pushed a version of a template while one was writing the next.

import { get } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { getTemplate } from "../lib/templates.js";
import { ago } from "../lib/times.js";
import { visible } from "../lib/visible.js";
import { button } from "./buttons.js";
import { diffView } from "./diff.js";
import { noticeBox } from "./problems.js";

/**
 * What says who was first and what they have changed since `version` (0: there was none), with a
 * button that calls `pushOver(newest)`. Throws ApiError.
 */
export async function versionConflict({ name, version, pushOver, signal }) {
  const newest = await getTemplate(name, "", { signal });
  const path = { name };
  const query = { from: version, to: newest.version };
  const changed = version && (await get("/templates/{name}/diff", { path, query, signal }));
  const who = visible(newest.pushed_by.name || newest.pushed_by.email);
  const text = t`Push over version ${newest.version}`;
  const pushing = button(text, { onclick: () => pushOver(newest.version) });
  return noticeBox(
    "warn",
    h("strong", {}, t`Not pushed: ${who} was first with version ${newest.version}`),
    h(
      "p",
      {},
      t`Pushed ${ago(newest.pushed_at)}.`,
      newest.message && ` ${visible(newest.message)}`,
    ),
    h("p", {}, whatStays(version)),
    h("div", { class: "box-actions" }, pushing),
    changed && diffView(changed.diff),
  );
}

function whatStays(version) {
  return version
    ? t`What you have typed begins at version ${version} and is kept here. This is what has changed since; what you push does not have it unless you write it in.`
    : t`There is a template of this name already. What you have typed is kept here.`;
}
