// Asking for a fresh code of the authenticator app, where the server wants one before a change.

import { post } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { askForm } from "./dialogs.js";
import { field, input } from "./fields.js";
import { t } from "../lib/language.js";

/**
 * A field for a code of the app, or a recovery code in its place. A telephone offers digits alone,
 * and letters once somebody says that they have a recovery code.
 */
export function codeField(
  label = t`Code of your authenticator app`,
  help = t`Or ${recoveryButton()}`,
) {
  const control = input({
    name: "totp",
    autocomplete: "one-time-code",
    inputmode: "numeric",
    class: "input mono",
  });
  const code = field({ label, path: "totp", help, control });
  code.element.querySelector(".help button")?.addEventListener("click", () => {
    control.inputMode = "text";
    control.focus();
  });
  return code;
}

function recoveryButton() {
  return h("button", { type: "button", class: "link" }, t`type one of your recovery codes`);
}

/**
 * Ask for a code in a dialog and send it to an endpoint; a wrong one is selected, to be typed anew.
 */
export function askCode(code, { endpoint, ...options }) {
  const send = async () => {
    try {
      return await post(endpoint, { body: { totp: code.control.value.trim() } });
    } catch (error) {
      code.control.select();
      throw error;
    }
  };
  return askForm({ fields: [code], send, ...options });
}

/** Ask for a code and show it to the server. Resolves with whether that was done. */
export function stepUp() {
  return new Promise((resolve) => {
    const code = codeField();
    let isDone = false;
    askCode(code, {
      title: t`Is it you?`,
      above: h("p", {}, t`This needs a fresh code of your authenticator app.`),
      endpoint: "/step-up",
      action: t`Go on`,
      done: () => (isDone = true),
      closed: () => resolve(isDone),
    });
    code.control.focus();
  });
}
