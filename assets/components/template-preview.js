// What a template that is being written makes: the form that it asks with, and its flow.

import { h, replace } from "../lib/dom.js";
import { flowView } from "./template-flow.js";
import { variableField } from "./variable-fields.js";

/** Beside the editor. `show(found)` draws what the server has read in the text. */
export function templatePreview() {
  const form = h("fieldset", { class: "form-preview", disabled: true });
  const flow = h("div", {});
  const element = h(
    "section",
    { class: "aside", "aria-label": "What it makes" },
    h("h2", {}, "The form it makes"),
    form,
    h("h2", {}, "What it does"),
    flow,
  );
  let drawn = "";
  const show = (found) => {
    const text = JSON.stringify([found.variables, found.plan, found.phases, found.on_success]);
    if (text === drawn) return; // what one looks at does not move while one types
    drawn = text;
    const fields = found.variables.map((each) => variableField(each, undefined, () => {}));
    replace(form, fields.length ? fields.map((each) => each.element) : nothing());
    replace(flow, flowView(found, null));
  };
  return { element, show };
}

function nothing() {
  return h("p", { class: "muted" }, "It asks for nothing.");
}
