// Asking for a fresh code of the authenticator app, where the server wants one before a change.

import { post } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { ask } from "./dialogs.js";
import { field, input, showProblems } from "./fields.js";

/** A field for a code of the app, or a recovery code in its place. */
export function codeField(label = "Code of your authenticator app") {
  return field({
    label,
    path: "totp",
    help: "Or one of your recovery codes.",
    control: input({ name: "totp", autocomplete: "one-time-code", class: "input mono" }),
  });
}

/** Run `send(code)` with what was typed; false if the code was wrong, which the field then says. */
export async function sendCode(code, send) {
  try {
    await send(code.control.value.trim());
    return true;
  } catch (error) {
    if (!error.errors?.length || showProblems([code], error.errors).length) throw error;
    code.control.select();
    return false;
  }
}

/** Ask for a code and show it to the server. Resolves with whether that was done. */
export function stepUp() {
  return new Promise((resolve) => {
    const code = codeField();
    let isDone = false;
    const run = async () => {
      isDone = await sendCode(code, (totp) => post("/step-up", { totp }));
      return isDone;
    };
    ask({
      title: "Is it you?",
      content: [h("p", {}, "This needs a fresh code of your authenticator app."), code.element],
      actions: [{ text: "Go on", look: "primary", run }],
      closed: () => resolve(isDone),
    });
    code.control.focus();
  });
}
