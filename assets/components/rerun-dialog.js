// Running an automation again: the button, and which version it takes.

import { get, post } from "../lib/api.js";
import { randomId } from "../lib/bytes.js";
import { h } from "../lib/dom.js";
import { queryText } from "../lib/query.js";
import { navigate } from "../lib/router.js";
import { button } from "./buttons.js";
import { ask, opensWith } from "./dialogs.js";
import { field, select } from "./fields.js";

export function rerunButton(automation) {
  const path = { name: automation.template };
  return button("Run again…", {
    name: "again",
    dataset: { focus: "again" },
    onclick: opensWith(
      () => get("/templates/{name}", { path }),
      (newest) => openRerun(automation, newest.version),
    ),
  });
}

/** A newer version may ask for other values, so its form is shown before it runs. */
function openRerun({ id, template, version }, newest) {
  const key = randomId();
  const words = h("p", {});
  const options = [
    [String(version), `version ${version}, as before`],
    [String(newest), `version ${newest}, the newest`],
  ];
  const choice = field({ label: "Version", control: select(options, String(version)) });
  const isSame = () => choice.control.value === String(version);
  const form = () => {
    const old = isSame() && version !== newest && version;
    navigate(`/templates/${template}/run${queryText({ from: id, version: old })}`);
  };
  const run = async () => {
    if (!isSame()) return form();
    const headers = { "Idempotency-Key": key };
    const path = { automation_id: id };
    const rerun = await post("/automations/{automation_id}/rerun", { path, headers });
    return navigate(`/automations/${rerun.id}`);
  };
  const dialog = ask({
    title: `Run ${template} again?`,
    content: [words, newest !== version && choice.element],
    actions: [
      { text: "Change values first", look: "", run: form },
      { text: "Run it now", look: "primary", run },
    ],
  });
  const show = () => {
    words.textContent = isSame()
      ? `The same values and the same version (${version}) as before, as a new automation.`
      : `Version ${newest} may ask for other values: look at them before it runs.`;
    dialog.querySelector(".primary span").textContent = isSame() ? "Run it now" : "See the values";
  };
  choice.control.addEventListener("change", show);
  show();
}
