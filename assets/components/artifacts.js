// The files that an automation left behind: to take, and to look at where they can do nothing.

import { addressOf, open } from "../lib/api.js";
import { sizeText } from "../lib/bytes.js";
import { h } from "../lib/dom.js";
import { said } from "../lib/server-texts.js";
import { visible } from "../lib/visible.js";
import { button } from "./buttons.js";
import { ask, opensWith } from "./dialogs.js";
import { actionsColumn, column, remark, rowOf, tableOf } from "./list-table.js";
import { t } from "../lib/language.js";

const PICTURES = /\.(png|jpe?g|gif|webp)$/i;
const PAGES = /\.html?$/i;
const VIEW = "/artifacts/{artifact_id}/view";

const COLUMNS = [
  column(t`File`, fileText),
  column(t`Size`, sizeCell, { isNumber: true }),
  actionsColumn(viewButton),
];

function sizeCell(artifact) {
  if (!artifact.id) return "–";
  return h("span", { title: `SHA-256 ${artifact.sha256}` }, sizeText(artifact.size));
}

/** The list of what was kept, and of what was not, with the reasons. */
export function artifactsView({ artifacts, missing }) {
  const label = t`Artifacts`;
  const files = [...artifacts, ...missing];
  const rows = files.map((file) => rowOf(COLUMNS, file, { name: file.path }));
  return h(
    "section",
    { class: "artifacts", "aria-label": label },
    rows.length
      ? tableOf(COLUMNS, h("tbody", { role: "rowgroup" }, rows), { label })
      : h("p", { class: "muted" }, t`It has left no files behind.`),
  );
}

/** What was kept is a link to it; `problem` says what is wrong with it, or why it was not kept. */
function fileText({ id, path: name, problem }) {
  const path = { artifact_id: id };
  const text = h("code", {}, visible(name));
  const href = id && addressOf("/artifacts/{artifact_id}", { path });
  const why = problem && visible(said(problem));
  return [
    id ? h("a", { href, download: true }, text) : text,
    why && remark(id ? h("strong", {}, why) : t`not kept: ${why}`),
  ];
}

function viewButton(artifact) {
  if (!artifact.id || artifact.problem) return null;
  const name = visible(artifact.path);
  const onclick = opensWith(
    () => contentOf(artifact),
    (content) => ask({ title: name, content, actions: [], isWide: true }),
  );
  return button(t`View`, { look: "quiet", "aria-label": t`View ${name}`, onclick });
}

/**
 * What a dialog shows of a file. HTML stands in a frame without an origin and without scripts; the
 * server sends it with a policy that lets nothing be loaded.
 */
async function contentOf({ id, path: name, size }) {
  const path = { artifact_id: id };
  const src = addressOf(VIEW, { path });
  if (PICTURES.test(name)) return h("img", { class: "artifact-picture", src, alt: visible(name) });
  const response = await open(VIEW, { path });
  if (PAGES.test(name) && response.headers.get("Content-Type").startsWith("text/html"))
    return h("iframe", { class: "artifact-page", sandbox: "", src, title: visible(name) });
  const text = await response.text();
  return [
    h("pre", { class: "artifact-text", tabindex: "0" }, visible(text)),
    response.headers.get("Opsicle-Artifact-Size") !== null &&
      new Blob([text]).size < size &&
      h("p", { class: "muted" }, t`Only its beginning is shown; download it to see all.`),
  ];
}
