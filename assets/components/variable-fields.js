// A field for each variable of a template, fit for its type.

import { h } from "../lib/dom.js";
import { afterClick } from "../lib/pointer.js";
import { parseValue, typeOf, valueText, WrongValue } from "../lib/values.js";
import { visible } from "../lib/visible.js";
import { field, fieldGroup, input, select } from "./fields.js";
import { fileField } from "./files.js";
import { t } from "../lib/language.js";

const MAX_RADIOS = 5;

/**
 * The field of a variable, filled with `given` or else its default; `typed` is a text that stood in
 * it before, whatever it is worth. Beyond what `field` gives: `text()` as it is typed, `value()`,
 * which throws WrongValue, and `problems()`, which gives what is wrong as the server would say it.
 * `tell(text)` shows what the server says of the value, "" if nothing, once the person has been
 * here. Where `shown` is set, it gives what of the value is shown to people.
 */
export function variableField(variable, given, changed, typed) {
  const start = typed ?? valueText(given ?? variable.default);
  const built = build(variable, start, changed);
  const { made, text } = built;
  const value = built.value ?? (() => parseValue(variable, text()));
  let told = "";
  let isTouched = typed !== undefined;
  const check = () => made.setError(problemOf(value) || told);
  made.element.addEventListener("input", () => {
    told = "";
    isTouched = true;
    if (made.element.classList.contains("is-wrong")) check();
    changed();
  });
  const tell = (said) => {
    told = said;
    if (isTouched) check();
  };
  made.element.addEventListener("change", () => afterClick(check));
  const problems = () => {
    const message = problemOf(value);
    return message ? [{ path: made.path, message }] : [];
  };
  return { ...made, variable, text, value, problems, tell, shown: built.shown };
}

function problemOf(value) {
  try {
    value();
    return "";
  } catch (error) {
    if (!(error instanceof WrongValue)) throw error;
    return error.message;
  }
}

function build(variable, start, changed) {
  const type = typeOf(variable);
  const shared = {
    label: [visible(variable.label || variable.id)],
    help: helpOf(variable),
    isRequired: variable.is_required,
    isOptional: !variable.is_required,
    path: `values.${variable.id}`,
  };
  if (type === "file") return fileField(variable, shared, changed);
  if (type === "enum" && variable.multiple) return checkboxes(variable, start, shared);
  if (type === "enum") return oneOf(options(variable), variable, start, shared);
  if (type === "bool" && !variable.multiple)
    return oneOf(
      [
        ["true", t`yes`],
        ["false", t`no`],
      ],
      variable,
      start,
      shared,
    );
  const control = controlFor(variable, type, start);
  return { made: field({ ...shared, control }), text: () => control.value };
}

function controlFor(variable, type, start) {
  if (variable.multiple || type === "text") {
    return h("textarea", {
      class: "input",
      rows: Math.min(12, Math.max(3, start.split("\n").length)),
      spellcheck: "false",
      value: start,
    });
  }
  if (type === "date") return input({ type: "date", value: start });
  if (type === "secret")
    return input({ type: "password", autocomplete: "new-password", value: start });
  const mode = { number: "numeric", float: "decimal" }[type];
  return input({ value: start, inputmode: mode, class: mode ? "input short" : "input" });
}

/** One of some options: radio buttons where they are few. */
function oneOf(known, variable, start, shared) {
  const isOptional = !variable.is_required && variable.default === undefined;
  if (known.length > MAX_RADIOS) {
    const control = select([...(start && !isOptional ? [] : [["", t`choose…`]]), ...known], start);
    return { made: field({ ...shared, control }), text: () => control.value };
  }
  const name = `choice-${variable.id}`;
  const offered = isOptional ? [...known, ["", t`not set`]] : known;
  const isChosen = start !== ""; // for good: a radio button can only be exchanged for another
  const radios = offered.map(([value, text]) =>
    choice("radio", name, value, text, value === start),
  );
  const made = fieldGroup({ ...shared, isOptional: isOptional || !isChosen, controls: radios });
  return { made, text: () => made.element.querySelector("input:checked")?.value ?? "" };
}

function checkboxes(variable, start, shared) {
  const chosen = new Set(start.split("\n"));
  const boxes = options(variable).map(([value, text]) =>
    choice("checkbox", `choice-${variable.id}`, value, text, chosen.has(value)),
  );
  const made = fieldGroup({ ...shared, controls: boxes });
  const text = () =>
    [...made.element.querySelectorAll("input:checked")].map((box) => box.value).join("\n");
  return { made, text };
}

function choice(type, name, value, text, checked) {
  return h(
    "label",
    { class: "choice" },
    h("input", { type, name, value, checked }),
    h("span", {}, visible(text)),
  );
}

function options(variable) {
  return (variable.options ?? []).map((option) => [String(option), String(option)]);
}

const UNITS = {
  number: (bounds) => bounds,
  float: (bounds) => bounds,
  file: (bounds) => t`${bounds} bytes`,
  text: (bounds) => t`${bounds} characters`,
};

function helpOf(variable) {
  const rules = [
    variable.multiple && !["enum", "file"].includes(typeOf(variable)) && t`one per line`,
    boundsText(variable),
    variable.pattern && patternText(variable),
  ].filter(Boolean);
  const parts = rules.flatMap((rule, i) => (i ? [" · ", rule] : [rule]));
  const description = variable.description && h("span", {}, visible(variable.description));
  return description || parts.length
    ? [
        description,
        description && parts.length ? " " : "",
        parts.length ? h("span", { class: "rules" }, parts) : "",
      ]
    : null;
}

function patternText(variable) {
  const pattern = h("code", {}, visible(variable.pattern));
  return typeOf(variable) === "file" ? t`its name must match ${pattern}` : t`must match ${pattern}`;
}

function boundsText({ min, max, ...variable }) {
  const has = (bound) => bound !== undefined && bound !== null;
  const inUnit = UNITS[typeOf(variable)] ?? UNITS.text;
  if (has(min) && has(max)) return inUnit(t`${min} to ${max}`);
  if (has(min)) return inUnit(t`at least ${min}`);
  return has(max) ? inUnit(t`at most ${max}`) : "";
}
