// Logging in.

import { button } from "../components/buttons.js";
import { field, input, showProblems } from "../components/fields.js";
import { entrance, missing } from "../components/forms.js";
import { codeField } from "../components/step-up.js";
import { logIn } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { windowsOrg, withoutOrg } from "../lib/org-address.js";
import { here, navigate } from "../lib/router.js";
import { whoAmI } from "../lib/session.js";
import { remember, remembered } from "../lib/storage.js";

const LOGIN = "/login";

export function mount(root, { title, query }) {
  if (whoAmI()) {
    queueMicrotask(() => navigate(target(query), { isReplacing: true }));
    return;
  }
  const known = remembered("email", "");
  const email = field({
    label: t`E-mail`,
    path: "email",
    control: input({ type: "email", name: "email", autocomplete: "username", value: known }),
  });
  const password = field({
    label: t`Password`,
    path: "password",
    control: input({ type: "password", name: "password", autocomplete: "current-password" }),
  });
  const fields = [email, password];
  const values = () =>
    Object.fromEntries(fields.map(({ path, control }) => [path, control.value.trim()]));
  const send = async () => {
    const { email: address, totp, org } = values();
    try {
      await logIn(address, password.control.value, { totp, org });
    } catch (error) {
      const asked = askedFor(error, { totp, org });
      if (!asked) {
        if (totp) fields.at(-1).control.select();
        throw error;
      }
      fields.push(asked);
      password.element.after(asked.element);
      asked.control.focus();
      showProblems(fields, error.errors ?? []);
      return;
    }
    remember("email", address);
    navigate(target(query), { isReplacing: true });
  };
  const submit = button(t`Log in`, { look: "primary wide", type: "submit" });
  const forgotten = h(
    "p",
    { class: "small" },
    h("a", { href: "/forgotten" }, t`Forgotten password?`),
  );
  entrance(root, title, {
    fields,
    check: () => missing(fields),
    submit,
    foot: [submit, forgotten],
    send,
  });
  (known ? password : email).control.focus();
}

/** The field for what the server wants to know too, unless it has been asked for already. */
function askedFor(error, { totp, org }) {
  if (error.code === "totp_required" && totp === undefined) return codeField();
  const wantsOrg = error.errors?.some(({ path }) => path === "org");
  if (!wantsOrg || org !== undefined) return null;
  return field({
    label: t`Org`,
    path: "org",
    control: input({ maxlength: 32, value: windowsOrg() }),
  });
}

/** Where the person wanted to go; only ever an address of ours. */
function target(query) {
  const next = withoutOrg(location.pathname) === LOGIN ? (query.get("next") ?? "/") : here();
  return /^\/(?![/\\])/.test(next) ? next : "/";
}
