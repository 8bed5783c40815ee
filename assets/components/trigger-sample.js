// Trying a trigger with a body as its sender would send it: what it would start, or starting it.

import { post } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { visible, visibleValue } from "../lib/visible.js";
import { ask } from "./dialogs.js";
import { field, textarea } from "./fields.js";
import { noticeBox, problemList, sentence } from "./problems.js";

/** Ask for a body; `sent()` is called when one has gone to the trigger for real. */
export function openSample(trigger, sent) {
  const { name } = trigger;
  const control = textarea({ rows: 10, class: "input mono" });
  control.value = JSON.stringify(bodyFor(trigger), null, 2);
  const body = field({
    label: t`Body (JSON)`,
    path: "body",
    help: t`It is signed with the trigger’s secret, as its sender does.`,
    control,
  });
  const result = h("div", { role: "status" });
  const send = async (isReal) => {
    result.replaceChildren();
    const sample = { body: control.value, is_real: isReal };
    const found = await post("/triggers/{trigger}/sample-calls", {
      path: { trigger: name },
      body: sample,
    });
    replace(result, outcomeView(found));
    if (isReal) sent();
    return false; // the dialog stays, for the next one
  };
  ask({
    title: t`Send a sample to ${name}`,
    content: [body.element, result],
    actions: [
      { text: t`Run it for real`, look: "", run: () => send(true) },
      { text: t`See what it would start`, look: "primary", run: () => send(false) },
    ],
    isWide: true,
  });
  control.focus();
}

/** A body that has something wherever the trigger looks. */
function bodyFor({ fields, conditions, dedupe }) {
  const root = {};
  const places = [
    ...Object.entries(fields).map(([name, { pointer }]) => [pointer, name]),
    ...conditions.map(({ pointer, one_of: some }) => [pointer, some?.[0] ?? "…"]),
    ...(dedupe ? [[dedupe.pointer, "…"]] : []),
  ];
  for (const [pointer, value] of places) put(root, pointer.split("/").slice(1), value);
  return root;
}

function put(root, steps, value) {
  let place = root;
  steps.forEach((step, i) => {
    const key = step.replaceAll("~1", "/").replaceAll("~0", "~");
    const next = steps[i + 1];
    if (next === undefined) place[key] ??= value;
    else place[key] ??= /^[0-9]+$/.test(next) ? [] : {};
    place = place[key];
  });
}

function outcomeView({ outcome, is_real: isReal, reason, problems, headers, ...start }) {
  const isGood = outcome === "started";
  return noticeBox(
    isGood ? "note" : "warn",
    h("strong", {}, isGood ? startText(start, isReal) : nothingText(outcome, isReal)),
    reason && h("p", {}, sentence(reason)),
    problemList(problems),
    start.automation_id &&
      h("p", {}, h("a", { href: `/automations/${start.automation_id}` }, t`See the automation`)),
    valuesView(start.values),
    headers.length > 0 && h("p", { class: "muted small" }, t`Signed by ${headers.join(", ")}.`),
  );
}

function startText({ template, version }, isReal) {
  return isReal ? t`It was started.` : t`It would start ${template}, version ${version}.`;
}

function nothingText(outcome, isReal) {
  if (outcome === "duplicate") return t`It has been started before.`;
  if (outcome === "invalid") return t`The body does not fit.`;
  return isReal ? t`Nothing was started.` : t`It would start nothing.`;
}

function valuesView(values) {
  const rows = Object.entries(values).map(([name, value]) => [
    h("dt", {}, visible(name)),
    h("dd", {}, h("code", {}, visibleValue(value))),
  ]);
  return rows.length > 0 && h("dl", { class: "values" }, rows);
}
