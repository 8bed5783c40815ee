// Setting a new password with the one-time link that an admin gave.

import { button, buttonLink } from "../components/buttons.js";
import { entrance } from "../components/forms.js";
import { newPassword } from "../components/new-password.js";
import { post } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { takeToken } from "../lib/router.js";

export function mount(root, { title }) {
  const token = takeToken();
  const chosen = newPassword();
  const send = async () => {
    await post("/password/reset", { body: { token, password: chosen.value() } });
    const text = h("p", {}, t`The password is set. All sessions have ended.`);
    replace(card, heading, text, buttonLink(t`Log in`, "/login"));
    heading.focus();
  };
  const { heading, card } = entrance(root, title, {
    fields: chosen.fields,
    check: chosen.problems,
    submit: button(t`Set the password`, { look: "primary wide", type: "submit" }),
    send,
  });
  chosen.fields[0].control.focus();
}
