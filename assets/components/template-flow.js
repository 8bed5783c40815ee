// The way of a template's automations, drawn: plan, approval, phases, and what they start.

import { h } from "../lib/dom.js";
import { pathOf } from "../lib/templates.js";
import { visible } from "../lib/visible.js";
import { icon } from "./icons.js";
import { number, plural, t } from "../lib/language.js";

const WHEN = { failure: t`only after a failure`, always: t`whatever happened` };

/** The steps from left to right, or downwards where it is narrow; `need` says who must agree. */
export function flowView(template, need) {
  const { plan = [], phases, on_success: then = [], on_failure: or = [] } = template;
  const gates = need?.is_needed ? need.gates : [];
  const steps = [
    ...plan.map((phase) => ({ ...phaseStep(phase), note: t`plan` })),
    ...gates.map(gateStep),
    ...phases.map(phaseStep),
    ...then.map((call) => startStep(call, t`after success`)),
    ...or.map((call) => startStep(call, t`after failure`, "is-exception")),
  ];
  return h("ol", { class: "flow", "aria-label": t`Flow` }, steps.map(stepView));
}

function phaseStep(phase) {
  const { name, when, pause, calls = [], commands, image } = phase;
  const what = pause
    ? ["paused", t`asks people`]
    : calls.length > 0
      ? ["templates", t`calls ${calls.map((call) => call.template).join(", ")}`]
      : ["run", image ? t`${counted(commands.length)} in ${image}` : counted(commands.length)];
  const [shape, text] = what;
  const look = when === "failure" ? "is-exception" : "";
  return { shape, title: name, text, note: WHEN[when], look };
}

function counted(count) {
  return plural(count, { one: t`1 command`, other: t`${number(count)} commands` });
}

function gateStep({ name, required, people, is_conditional: isConditional }) {
  const names = people.map((person) => person.name || person.email);
  const who = names.length > 3 ? t`${number(names.length)} people` : names.join(", ");
  return {
    shape: "approvals",
    title: name,
    text: whoMustAgree(who, required, names.length),
    note: isConditional && t`for certain values`,
    look: "is-gate",
  };
}

function whoMustAgree(who, required, count) {
  if (count === 0) return t`nobody may agree yet`;
  if (count === 1) return t`${who} must agree`;
  return plural(required, {
    one: t`one of ${who} must agree`,
    other: t`${number(required)} of ${who} must agree`,
  });
}

function startStep({ template }, note, look = "") {
  return { shape: "templates", title: template, href: pathOf({ name: template }), note, look };
}

function stepView({ shape, title, text, note, href, look = "" }) {
  const name = visible(title);
  return h(
    "li",
    { class: `flow-step ${look}` },
    h("span", { class: "flow-name" }, icon(shape), href ? h("a", { href }, name) : name),
    text && h("span", { class: "muted small" }, visible(text)),
    note && h("span", { class: "flow-note" }, note),
  );
}
