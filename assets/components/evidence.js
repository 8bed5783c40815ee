// What a plan has shown before anybody was asked, for an approval.

import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { markdown } from "../lib/markdown.js";
import { said } from "../lib/server-texts.js";
import { visible, visibleInLog, visibleValue } from "../lib/visible.js";
import { pairs } from "./pairs.js";
import { stateBadge } from "./states.js";
import { commandList } from "./steps.js";

/** What a plan has shown before anybody was asked. */
export function evidenceView({
  phases,
  outputs,
  summary,
  log,
  log_bytes: bytes,
  is_log_cut: isCut,
  digest,
}) {
  const names = Object.keys(outputs);
  return [
    h("h2", {}, t`What its plan has shown`),
    h(
      "ol",
      { class: "plan" },
      phases.map((phase) =>
        h(
          "li",
          { class: "plan-phase" },
          h("h3", {}, visible(phase.name), " ", stateBadge(phase.state)),
          phase.explanation && h("p", {}, visible(said(phase.explanation))),
          commandList(phase.commands),
        ),
      ),
    ),
    summary && h("div", { class: "markdown" }, markdown(summary)),
    names.length > 0 && pairs(names.map((name) => [name, visibleValue(outputs[name])])),
    isCut && h("p", { class: "muted" }, t`The end of ${bytes} bytes of log:`),
    h(
      "pre",
      { class: "artifact-text", tabindex: "0", "aria-label": t`Log of the plan` },
      visibleInLog(log),
    ),
    pairs([[t`Evidence (SHA-256)`, h("code", { class: "command" }, digest)]]),
  ];
}
