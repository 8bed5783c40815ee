// The first start: an org, its admin, and the one-time token that whoever installed the server was
// shown.

import { button, buttonLink } from "../components/buttons.js";
import { field, input } from "../components/fields.js";
import { entrance, missing } from "../components/forms.js";
import { newPassword } from "../components/new-password.js";
import { logIn, post } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { navigate, takeToken } from "../lib/router.js";
import { remember } from "../lib/storage.js";

export function mount(root, { title }) {
  const token = field({
    label: t`Setup token`,
    path: "token",
    help: t`The server printed it at its first start; it is also in the file setup-token in its data folder.`,
    control: input({ value: takeToken(), class: "input mono" }),
  });
  const page = new AbortController();
  const { signal } = page;
  addEventListener("hashchange", () => fillIn(token.control), { signal }); // pasted on this page
  const org = field({
    label: t`Code of your org`,
    path: "org",
    help: t`Short, such as acme: small letters, digits and hyphens. It cannot be changed later.`,
    control: input({ name: "org" }),
  });
  const email = field({
    label: t`Your e-mail`,
    path: "email",
    control: input({ type: "email", autocomplete: "username" }),
  });
  const chosen = newPassword(t`Password`);
  const named = [token, org, email];
  const send = async () => {
    const [tokenText, code, address] = named.map((each) => each.control.value.trim());
    const password = chosen.value();
    await post("/setup", { body: { token: tokenText, org: code, email: address, password } });
    await logIn(address, password);
    remember("email", address);
    navigate("/", { isReplacing: true });
  };
  const login = buttonLink(t`Log in`, "/login", { look: "quiet" });
  entrance(root, title, {
    above: h("p", {}, t`You become the admin of its first org.`),
    fields: [...named, ...chosen.fields],
    check: () => [...missing(named), ...chosen.problems()],
    submit: button(t`Create the org`, { look: "primary wide", type: "submit" }),
    send,
    below: h("p", { class: "muted" }, t`Already set up?`, " ", login),
  });
  (token.control.value ? org : token).control.focus();
  return () => page.abort();
}

function fillIn(control) {
  const token = takeToken();
  if (token) control.value = token;
}
