// Running an automation again: the button, and which version it takes.

import { get, post } from "../lib/api.js";
import { randomId } from "../lib/bytes.js";
import { h } from "../lib/dom.js";
import { queryText } from "../lib/query.js";
import { navigate } from "../lib/router.js";
import { versionText } from "../lib/templates.js";
import { button } from "./buttons.js";
import { ask, opensWith } from "./dialogs.js";
import { field, select } from "./fields.js";
import { t } from "../lib/language.js";

export function rerunButton(automation) {
  const path = { name: automation.template };
  const ofDraft = { version: automation.version };
  return button(t`Run again…`, {
    name: "again",
    dataset: { focus: "again" },
    onclick: opensWith(
      () => (automation.draft ? ofDraft : get("/templates/{name}", { path })),
      (newest) => openRerun(automation, newest.version),
    ),
  });
}

/** A newer version may ask for other values, so its form is shown before it runs. */
function openRerun({ id, template, version, draft }, newest) {
  const key = randomId();
  const words = h("p", {});
  const named = new Map([
    [version, t`version ${version}, as before`],
    [newest, t`version ${newest}, the newest`],
  ]);
  const all = new Set([version, ...Array.from({ length: newest }, (_, i) => newest - i)]);
  const options = [...all].map((each) => [String(each), named.get(each) ?? t`version ${each}`]);
  const choice = field({ label: t`Version`, control: select(options, String(version)) });
  const isSame = () => choice.control.value === String(version);
  const form = () => {
    const chosen = Number(choice.control.value);
    const old = chosen !== newest && chosen;
    navigate(`/templates/${template}/run${queryText({ from: id, version: old, draft })}`);
  };
  const run = async () => {
    if (!isSame()) return form();
    const headers = { "Idempotency-Key": key };
    const path = { automation_id: id };
    const rerun = await post("/automations/{automation_id}/rerun", { path, headers });
    return navigate(`/automations/${rerun.id}`);
  };
  const dialog = ask({
    title: t`Run ${template} again?`,
    content: [words, newest > 1 && choice.element],
    actions: [
      { text: t`Change values first`, look: "", run: form },
      { text: t`Run it now`, look: "primary", run },
    ],
  });
  const show = () => {
    words.textContent = isSame()
      ? t`The same values and the same template (${versionText(version)}) as before, as a new automation.`
      : t`Version ${choice.control.value} may ask for other values: look at them before it runs.`;
    dialog.querySelector(".primary span").textContent = isSame()
      ? t`Run it now`
      : t`See the values`;
  };
  choice.control.addEventListener("change", show);
  show();
}
