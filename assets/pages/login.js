// Logging in.

import { busyWhile, button } from "../components/buttons.js";
import { field, input, showProblems } from "../components/fields.js";
import { setTitle } from "../components/headings.js";
import { problemBox } from "../components/problems.js";
import { codeField } from "../components/step-up.js";
import { logIn } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { here, navigate } from "../lib/router.js";
import { whoAmI } from "../lib/session.js";
import { remember, remembered } from "../lib/storage.js";

export function mount(root, { query }) {
  setTitle("Log in");
  if (whoAmI()) {
    queueMicrotask(() => navigate(target(query), { isReplacing: true }));
    return;
  }
  const known = remembered("email", "");
  const email = field({
    label: "E-mail",
    control: input({ type: "email", name: "email", autocomplete: "username", value: known }),
  });
  const password = field({
    label: "Password",
    control: input({ type: "password", name: "password", autocomplete: "current-password" }),
  });
  const submit = button("Log in", { look: "primary wide", type: "submit" });
  const trouble = h("div", {});
  const form = h(
    "form",
    { class: "card", novalidate: true },
    h("h1", { tabindex: "-1" }, "Log in"),
    email.element,
    password.element,
    trouble,
    submit,
    h("p", { class: "small" }, h("a", { href: "/forgotten" }, "Forgotten password?")),
  );
  let code = null;
  let org = null;
  const tryIt = async () => {
    trouble.replaceChildren();
    try {
      const [totp, where] = [code, org].map((each) => each?.control.value.trim());
      await logIn(email.control.value.trim(), password.control.value, { totp, org: where });
    } catch (error) {
      if (error.code === "totp_required" && !code) {
        code = codeField();
        password.element.after(code.element);
        code.control.focus();
      } else if (!org && error.errors?.some(({ path }) => path === "org")) {
        org = field({ label: "Org", path: "org", control: input({ maxlength: 32 }) });
        password.element.after(org.element);
        showProblems([org], error.errors);
      } else {
        trouble.replaceChildren(problemBox(error));
        code?.control.select();
      }
      return;
    }
    remember("email", email.control.value.trim());
    navigate(target(query), { isReplacing: true });
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (isComplete(...[email, password, org, code].filter(Boolean))) busyWhile(submit, tryIt);
  });
  root.append(
    h(
      "div",
      { class: "entrance" },
      h("img", { src: "/logo.svg", alt: "", width: "56", height: "56" }),
      form,
    ),
  );
  (known ? password : email).control.focus();
}

function isComplete(...fields) {
  for (const each of fields) each.complain(each.control.value ? "" : "is required");
  const wrong = fields.find((each) => !each.control.value);
  wrong?.control.focus();
  return !wrong;
}

/** Where the person wanted to go; only ever an address of ours. */
function target(query) {
  const next = location.pathname === "/login" ? (query.get("next") ?? "/") : here();
  return /^\/(?![/\\])/.test(next) ? next : "/";
}
