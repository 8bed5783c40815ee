// What a template that is being written makes: the form that it asks with, and its phases.

import { h, replace } from "../lib/dom.js";
import { phasesView } from "./steps.js";
import { variableField } from "./variable-fields.js";
import { t } from "../lib/language.js";

/**
 * Beside the editor. `show(found)` draws what the server has read in the text; `hold()` says that
 * the text has mistakes by now, and that what is drawn is of before.
 */
export function templatePreview() {
  const form = h("fieldset", { class: "form-preview", disabled: true });
  const phases = h("div", {});
  const note = h("p", { class: "muted" }, t`As the text was when it last had no mistakes.`);
  note.hidden = true;
  const element = h(
    "section",
    { class: "aside", "aria-label": t`What it makes` },
    h("h2", {}, t`The form it makes`),
    form,
    h("h2", {}, t`What it does`),
    phases,
    note,
  );
  let drawn = "";
  const show = (found) => {
    note.hidden = true;
    const text = JSON.stringify([found.variables, found.plan, found.phases, found.on_success]);
    if (text === drawn) return; // what one looks at does not move while one types
    drawn = text;
    const fields = found.variables.map((each) => variableField(each, undefined, () => {}));
    replace(form, fields.length ? fields.map((each) => each.element) : nothing());
    replace(phases, phasesView({ ...found, volume_mounts: [] }));
  };
  const hold = () => (note.hidden = false);
  return { element, show, hold };
}

function nothing() {
  return h("p", { class: "muted" }, t`It asks for nothing.`);
}
