// Fields of a form: label, control, help and what is wrong with it, tied together for screen
// readers.

import { h, replace } from "../lib/dom.js";
import { icon } from "./icons.js";
import { t } from "../lib/language.js";

let count = 0;

/**
 * A field around one control. Gives { element, control, setError(text) }; setError("") says that
 * all is well. `label` is a text; `help` a text or elements. Beside the label stands whether it
 * `isRequired` or `isOptional`, if either is told.
 */
export function field({ label, control, help, isRequired, isOptional, path = "" }) {
  const id = `field-${++count}`;
  const errorText = h("p", { class: "field-error", id: `${id}-error` });
  const note = help && h("p", { class: "help", id: `${id}-help` }, help);
  control.id = id;
  control.setAttribute(
    "aria-describedby",
    [note && `${id}-help`, `${id}-error`].filter(Boolean).join(" "),
  );
  if (isRequired) control.setAttribute("aria-required", "true");
  const element = h(
    "div",
    { class: "field", dataset: { path } },
    h("label", { for: id }, label, need({ isRequired, isOptional })),
    control,
    note,
    errorText,
  );
  return { element, control, path, setError: errorSetter(element, control, errorText) };
}

/**
 * Like `field`, around several controls that belong together, such as the radio buttons of one
 * choice.
 */
export function fieldGroup({ label, controls, help, isRequired, isOptional, path = "" }) {
  const id = `field-${++count}`;
  const errorText = h("p", { class: "field-error", id: `${id}-error` });
  const element = h(
    "fieldset",
    { class: "field", "aria-describedby": `${id}-error`, dataset: { path } },
    h("legend", {}, label, need({ isRequired, isOptional })),
    h("div", { class: "choices" }, controls),
    help && h("p", { class: "help" }, help),
    errorText,
  );
  const first = element.querySelector("input");
  return { element, control: first, path, setError: errorSetter(element, first, errorText) };
}

/**
 * Show at the fields the problems that are theirs; gives back the others. Moves to the first error.
 */
export function showProblems(fields, problems) {
  for (const each of fields) each.setError("");
  const others = [];
  for (const problem of problems) {
    const owner = fields.find(
      (each) => problem.path === each.path || problem.path.startsWith(`${each.path}[`),
    );
    if (owner) owner.setError(problem.message);
    else others.push(problem);
  }
  fields.find((each) => each.element.classList.contains("is-wrong"))?.control.focus();
  return others;
}

/**
 * Show at the fields what the server says of them. Throws the error with the rest, if there is any.
 */
export function explainAt(fields, error) {
  const others = showProblems(fields, error.errors ?? []);
  if (!error.errors?.length || others.length) throw Object.assign(error, { errors: others });
}

/** A text input; `more` are further attributes. */
export function input(more = {}) {
  return h("input", {
    type: "text",
    class: "input",
    autocomplete: "off",
    spellcheck: "false",
    ...more,
  });
}

/** A text of several lines; `more` are further attributes. */
export function textarea(more = {}) {
  return h("textarea", { class: "input", spellcheck: "false", ...more });
}

/** The lines of a textarea in which something stands. */
export function lines(control) {
  return control.value.split("\n").filter((line) => line.trim());
}

/** The options that there are, and what is chosen now even if it is not among them. */
export function choices(options, current) {
  return options.some(([key]) => key === current) ? options : [...options, [current, current]];
}

/** A choice of one among many; options are [value, text]. */
export function select(options, value, more = {}) {
  const element = h(
    "select",
    { class: "input", ...more },
    options.map(([key, text]) => h("option", { value: key }, text)),
  );
  element.value = value;
  return element;
}

function need({ isRequired, isOptional }) {
  const text = isRequired ? t`required` : isOptional && t`optional`;
  return text && [" ", h("span", { class: "required" }, text)];
}

function errorSetter(element, control, errorText) {
  return (text) => {
    element.classList.toggle("is-wrong", Boolean(text));
    if (text) control?.setAttribute("aria-invalid", "true");
    else control?.removeAttribute("aria-invalid");
    replace(errorText, text && [icon("warning"), text]);
  };
}
