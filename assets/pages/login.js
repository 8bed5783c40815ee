// Logging in.

import { button } from "../components/buttons.js";
import { entrance, missing } from "../components/forms.js";
import { loginFields } from "../components/login-fields.js";
import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { withoutOrg } from "../lib/org-address.js";
import { here, navigate } from "../lib/router.js";
import { whoAmI } from "../lib/session.js";
import { remembered } from "../lib/storage.js";

const LOGIN = "/login";

export function mount(root, { title, query }) {
  if (whoAmI()) {
    queueMicrotask(() => navigate(target(query), { isReplacing: true }));
    return;
  }
  const { fields, first, send } = loginFields(remembered("email", ""));
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
    send: async () => {
      if (await send()) navigate(target(query), { isReplacing: true });
    },
  });
  first.focus();
}

/** Where the person wanted to go; only ever an address of ours. */
function target(query) {
  const next = withoutOrg(location.pathname) === LOGIN ? (query.get("next") ?? "/") : here();
  return /^\/(?![/\\])/.test(next) ? next : "/";
}
