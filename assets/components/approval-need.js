// What running a template will ask of others, said before it is run.

import { h } from "../lib/dom.js";
import { visible } from "../lib/visible.js";
import { noticeBox, sentence } from "./problems.js";
import { number, plural, t } from "../lib/language.js";

/** The need as the server tells it; null if nobody has to agree. */
export function needView(need) {
  if (!need.is_needed) return null;
  if (need.problem)
    return noticeBox(
      "warn",
      h("strong", {}, t`It needs an approval that cannot be given`),
      h("p", {}, sentence(need.problem)),
    );
  return noticeBox(
    "note",
    h("strong", {}, t`It waits for approval before it runs`),
    need.is_default &&
      paragraph(t`The template names no policy; ${need.policy} applies by itself.`),
    gateList(need.gates),
  );
}

/** Gates in their order, with who passes each. */
export function gateList(gates) {
  const items = gates.map((gate) => h("li", {}, gateText(gate)));
  return h("ul", {}, items);
}

function gateText({ is_conditional: isConditional, ...gate }) {
  const text = whoMustAgree(gate);
  return visible(isConditional ? t`${text}, for certain values only` : text);
}

function whoMustAgree({ name, required, people }) {
  const names = people.map((person) => person.email).join(", ");
  if (!names) return t`${name}: nobody may agree yet`;
  if (people.length === 1) return t`${name}: ${names} must agree`;
  return plural(required, {
    one: t`${name}: one of ${names} must agree`,
    other: t`${name}: ${number(required)} of ${names} must agree`,
  });
}

function paragraph(text) {
  return h("p", {}, visible(text));
}
