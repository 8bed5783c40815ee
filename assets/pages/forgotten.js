// Asking for a link for a new password.

import { button, buttonLink } from "../components/buttons.js";
import { field, input } from "../components/fields.js";
import { entrance } from "../components/forms.js";
import { post } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { t } from "../lib/language.js";

const ANSWER_TEXT =
  t`If your org can send e-mail, a link is on its way to you. It is good for an hour.` +
  " " +
  t`If none comes, an admin of your org can give you one.`;

export function mount(root, { title }) {
  const email = field({
    label: t`E-mail`,
    path: "email",
    control: input({ type: "email", name: "email", autocomplete: "username" }),
  });
  const send = async () => {
    await post("/password/forgotten", { body: { email: email.control.value.trim() } });
    replace(card, heading, h("p", {}, ANSWER_TEXT), buttonLink(t`Log in`, "/login"));
    heading.focus();
  };
  const submit = button(t`Send me a link`, { look: "primary wide", type: "submit" });
  const { heading, card } = entrance(root, title, {
    above: h("p", { class: "muted" }, t`Your org sends you a link with which you set a new one.`),
    fields: [email],
    submit,
    foot: [submit, buttonLink(t`Back to log in`, "/login", { look: "quiet wide" })],
    send,
  });
  email.control.focus();
}
