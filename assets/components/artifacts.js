// The files that an automation left behind: to take, and to look at where they can do nothing.

import { addressOf, open } from "../lib/api.js";
import { sizeText } from "../lib/bytes.js";
import { h } from "../lib/dom.js";
import { said } from "../lib/server-texts.js";
import { visible } from "../lib/visible.js";
import { button } from "./buttons.js";
import { ask, opensWith } from "./dialogs.js";
import { t } from "../lib/language.js";

const PICTURES = /\.(png|jpe?g|gif|webp)$/i;
const PAGES = /\.html?$/i;
const VIEW = "/artifacts/{artifact_id}/view";

/** The list of what was kept, and of what was not, with the reasons. */
export function artifactsView({ artifacts, missing }) {
  return h(
    "section",
    { class: "artifacts", "aria-label": t`Artifacts` },
    !artifacts.length &&
      !missing.length &&
      h("p", { class: "muted" }, t`It has left no files behind.`),
    h(
      "ul",
      {},
      artifacts.map(keptView),
      missing.map((each) =>
        h(
          "li",
          {},
          h("code", {}, visible(each.path)),
          h("span", { class: "muted" }, t`not kept: ${visible(said(each.problem))}`),
        ),
      ),
    ),
  );
}

function keptView(artifact) {
  const path = { artifact_id: artifact.id };
  const name = visible(artifact.path);
  const link = h("a", { href: addressOf("/artifacts/{artifact_id}", { path }), download: true });
  link.append(h("code", {}, name));
  return h(
    "li",
    {},
    link,
    h("span", { class: "muted", title: `SHA-256 ${artifact.sha256}` }, sizeText(artifact.size)),
    artifact.problem
      ? h("strong", {}, visible(said(artifact.problem)))
      : button(t`View`, {
          look: "quiet",
          "aria-label": t`View ${name}`,
          onclick: opensWith(
            () => contentOf(artifact),
            (content) => ask({ title: name, content, actions: [], isWide: true }),
          ),
        }),
  );
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
