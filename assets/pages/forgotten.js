// Asking for a link for a new password.

import { busyWhile, button, buttonLink } from "../components/buttons.js";
import { field, input, showProblems } from "../components/fields.js";
import { setTitle } from "../components/headings.js";
import { problemBox } from "../components/problems.js";
import { post } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";

export function mount(root) {
  setTitle("Forgotten password");
  const email = field({
    label: "E-mail",
    path: "email",
    control: input({ type: "email", name: "email", autocomplete: "username" }),
  });
  const trouble = h("div", {});
  const submit = button("Send me a link", { look: "primary wide", type: "submit" });
  const heading = h("h1", { tabindex: "-1" }, "Forgotten password");
  const about = h(
    "p",
    { class: "muted" },
    "Your org sends you a link with which you set a new one.",
  );
  const back = buttonLink("Back to log in", "/login", { look: "quiet wide" });
  const form = h(
    "form",
    { class: "card", novalidate: true },
    heading,
    about,
    email.element,
    trouble,
    submit,
    back,
  );
  const ask = async () => {
    trouble.replaceChildren();
    try {
      await post("/password/forgotten", { email: email.control.value.trim() });
    } catch (error) {
      if (!error.errors?.length || showProblems([email], error.errors).length)
        replace(trouble, problemBox(error));
      return;
    }
    const told =
      "If your org can send e-mail, a link is on its way to you. It is good for an hour. " +
      "If none comes, an admin of your org can give you one.";
    replace(form, heading, h("p", {}, told), buttonLink("Log in", "/login"));
    heading.focus();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busyWhile(submit, ask);
  });
  root.append(
    h(
      "div",
      { class: "entrance" },
      h("img", { src: "/logo.svg", alt: "", width: "56", height: "56" }),
      form,
    ),
  );
  email.control.focus();
}
