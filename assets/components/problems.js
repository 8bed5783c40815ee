// What went wrong, and what to do about it.

import { h } from "../lib/dom.js";
import { visible } from "../lib/visible.js";
import { icon } from "./icons.js";
import { t } from "../lib/language.js";
import { said } from "../lib/server-texts.js";

/**
 * An error (see lib/api.js) as a box that a screen reader announces; `actions` are buttons in it.
 */
export function problemBox(error, ...actions) {
  console.debug(error);
  const title = error.title || t`This page made a mistake`;
  const detail = error.detail || (error.title ? "" : error.message);
  return h(
    "div",
    { class: "box box-bad", role: "alert" },
    icon("warning"),
    h(
      "div",
      {},
      h("strong", {}, title),
      detail && h("p", {}, sentence(detail)),
      problemList(error.errors),
      error.hint && h("p", { class: "hint" }, error.hint),
      actions.some(Boolean) && h("div", { class: "box-actions" }, actions),
    ),
  );
}

/** A message of the server's as a sentence of its own. */
export function sentence(text) {
  const own = said(text);
  return visible(own.charAt(0).toUpperCase() + own.slice(1));
}

/** What went wrong as a sentence, for where a box has no room. */
export function problemText({ title, detail, message }) {
  return sentence(detail || title || message);
}

/** Says that a form is filled with what stood in it before a login. */
export function keptNotice(hasSecrets = false) {
  const secrets = hasSecrets && t`Secret values are not kept: type them again.`;
  return noticeBox(
    "note",
    h("p", {}, t`Your session had ended. Here is what you had entered.`, " ", secrets),
  );
}

/** A calmer box: `tone` is "note", "warn" or "bad". */
export function noticeBox(tone, ...children) {
  return h("div", { class: `box box-${tone}` }, icon("warning"), h("div", {}, children));
}

/** Problems {path, line, message} as a list; a click on a line number calls `goTo(line)`. */
export function problemList(problems, goTo) {
  if (!problems?.length) return null;
  return h(
    "ul",
    { class: "problem-list" },
    problems.map((problem) => h("li", {}, place(problem, goTo), visible(said(problem.message)))),
  );
}

function place({ path, line }, goTo) {
  const where = line ? t`line ${line}` : "";
  const link =
    where && goTo
      ? h("button", { type: "button", class: "link", onclick: () => goTo(line) }, where)
      : where;
  return [
    link,
    where && path && " ",
    path && h("code", {}, visible(path)),
    (where || path) && ": ",
  ];
}
