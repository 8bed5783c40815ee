// Setting a new password with the one-time link that an admin gave.

import { busyWhile, button, buttonLink } from "../components/buttons.js";
import { showProblems } from "../components/fields.js";
import { setTitle } from "../components/headings.js";
import { newPassword } from "../components/new-password.js";
import { problemBox } from "../components/problems.js";
import { post } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { takeToken } from "../lib/router.js";

export function mount(root) {
  setTitle("New password");
  const token = takeToken();
  const chosen = newPassword();
  const trouble = h("div", {});
  const submit = button("Set the password", { look: "primary wide", type: "submit" });
  const heading = h("h1", { tabindex: "-1" }, "Set a new password");
  const form = h(
    "form",
    { class: "card", novalidate: true },
    heading,
    chosen.fields.map((each) => each.element),
    trouble,
    submit,
  );
  const set = async () => {
    trouble.replaceChildren();
    const problems = chosen.problems();
    showProblems(chosen.fields, problems);
    if (problems.length) return;
    try {
      await post("/password/reset", { token, password: chosen.value() });
    } catch (error) {
      if (!error.errors?.length || showProblems(chosen.fields, error.errors).length)
        replace(trouble, problemBox(error));
      return;
    }
    replace(
      form,
      heading,
      h("p", {}, "The password is set. All sessions have ended."),
      buttonLink("Log in", "/login"),
    );
    heading.focus();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busyWhile(submit, set);
  });
  root.append(
    h(
      "div",
      { class: "entrance" },
      h("img", { src: "/logo.svg", alt: "", width: "56", height: "56" }),
      form,
    ),
  );
  chosen.fields[0].control.focus();
}
