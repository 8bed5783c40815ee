// The first start: an org, its admin, and the one-time token that whoever installed the server was shown.

import { busyWhile, button, buttonLink } from "../components/buttons.js";
import { field, input, showProblems } from "../components/fields.js";
import { setTitle } from "../components/headings.js";
import { placesList, problemBox } from "../components/problems.js";
import { logIn, post } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { navigate } from "../lib/router.js";
import { remember } from "../lib/storage.js";

export function mount(root) {
  setTitle("Set up");
  const token = takeToken();
  const fields = {
    token: field({
      label: "Setup token",
      path: "token",
      help: "The server printed it at its first start; it is also in the file setup-token in its data folder.",
      control: input({ value: token, class: "input mono" }),
    }),
    org: field({
      label: "Code of your org",
      path: "org",
      help: "Short, such as acme: small letters, digits and hyphens. It cannot be changed later.",
      control: input({ name: "org" }),
    }),
    email: field({
      label: "Your e-mail",
      path: "email",
      control: input({ type: "email", autocomplete: "username" }),
    }),
    password: field({
      label: "Password",
      path: "password",
      control: input({ type: "password", autocomplete: "new-password" }),
    }),
    again: field({
      label: "Password again",
      path: "again",
      control: input({ type: "password", autocomplete: "new-password" }),
    }),
  };
  const submit = button("Create the org", { look: "primary wide", type: "submit" });
  const trouble = h("div", {});
  const elements = Object.values(fields).map((each) => each.element);
  const form = h(
    "form",
    { class: "card", novalidate: true },
    h("h1", { tabindex: "-1" }, "Set up this server"),
    h("p", {}, "You become the admin of its first org."),
    elements,
    trouble,
    submit,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busyWhile(submit, () => create(fields, trouble));
  });
  root.append(
    h(
      "div",
      { class: "entrance" },
      h("img", { src: "/logo.svg", alt: "", width: "56", height: "56" }),
      form,
      h(
        "p",
        { class: "muted" },
        "Already set up? ",
        buttonLink("Log in", "/login", { look: "quiet" }),
      ),
    ),
  );
  (token ? fields.org : fields.token).control.focus();
}

/** The token comes behind the `#`, which a browser never sends; it also goes from the address bar and the history. */
function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
  if (location.hash) history.replaceState(null, "", location.pathname);
  return token;
}

async function create(fields, trouble) {
  trouble.replaceChildren();
  const typed = Object.fromEntries(
    Object.entries(fields).map(([name, each]) => [name, each.control.value.trim()]),
  );
  typed.password = fields.password.control.value;
  const missing = Object.keys(typed)
    .filter((name) => !typed[name])
    .map((path) => ({ path, message: "is required" }));
  const differs =
    fields.again.control.value === typed.password
      ? []
      : [{ path: "again", message: "differs from the first" }];
  if (missing.length || differs.length) {
    showProblems(Object.values(fields), missing.length ? missing : differs);
    return;
  }
  const { token, org, email, password } = typed;
  try {
    await post("/setup", { token, org, email, password });
    await logIn(email, password);
  } catch (error) {
    const others = showProblems(Object.values(fields), error.errors ?? []);
    replace(trouble, error.errors?.length ? placesList(others) : problemBox(error));
    return;
  }
  remember("email", email);
  navigate("/templates", { isReplacing: true });
}
