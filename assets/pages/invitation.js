// Accepting an invitation into an org: with the account that one has, or with a new one.

import { busyWhile, button } from "../components/buttons.js";
import { field, input, showProblems } from "../components/fields.js";
import { setTitle } from "../components/headings.js";
import { newPassword } from "../components/new-password.js";
import { problemBox } from "../components/problems.js";
import { codeField } from "../components/step-up.js";
import { post } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { takeToken } from "../lib/router.js";
import { exactTime } from "../lib/times.js";
import { visible } from "../lib/visible.js";

export function mount(root) {
  setTitle("Invitation");
  const token = takeToken();
  const card = h(
    "form",
    { class: "card", novalidate: true },
    h("h1", { tabindex: "-1" }, "Invitation"),
  );
  root.append(
    h(
      "div",
      { class: "entrance" },
      h("img", { src: "/logo.svg", alt: "", width: "56", height: "56" }),
      card,
    ),
  );
  post("/invitations/look", { token }).then(
    (offer) => fill(card, token, offer),
    (error) => card.append(problemBox(error)),
  );
}

function fill(form, token, offer) {
  const answer = offer.has_account ? knownPerson() : newPerson();
  const trouble = h("div", {});
  const submit = button(`Join ${offer.org.code}`, { look: "primary wide", type: "submit" });
  const tryIt = async () => {
    trouble.replaceChildren();
    const problems = answer.problems();
    showProblems(answer.fields, problems);
    if (problems.length) return;
    try {
      await post("/invitations/accept", { token, kind: "browser", ...answer.value() });
    } catch (error) {
      if (error.code === "totp_required" && !answer.code) addCode(answer, trouble);
      else if (!error.errors?.length || showProblems(answer.fields, error.errors).length)
        replace(trouble, problemBox(error));
      return;
    }
    location.assign("/"); // whatever this browser knew of another session is forgotten
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busyWhile(submit, tryIt);
  });
  replace(
    form,
    h("h1", { tabindex: "-1" }, `Join ${visible(offer.org.name || offer.org.code)}`),
    facts(offer),
    answer.fields.map((each) => each.element),
    trouble,
    submit,
  );
  answer.fields[0].control.focus();
}

function facts({ org, email, role, invited_by, has_account, expires_at }) {
  return h(
    "p",
    {},
    `${visible(invited_by)} invites ${visible(email)} to ${org.code} as ${role}, until `,
    exactTime(expires_at),
    has_account ? ". Log in with your account to accept." : ". Accepting makes your account.",
  );
}

/** What somebody proves who has an account. */
function knownPerson() {
  const password = field({
    label: "Password",
    path: "password",
    control: input({ type: "password", autocomplete: "current-password" }),
  });
  const answer = { fields: [password], code: null };
  answer.problems = () =>
    password.control.value ? [] : [{ path: "password", message: "is required" }];
  answer.value = () => ({
    password: password.control.value,
    totp: answer.code?.control.value.trim() ?? "",
  });
  return answer;
}

/** What a new account is made with. */
function newPerson() {
  const name = field({
    label: "Your name",
    path: "name",
    control: input({ maxlength: 200, autocomplete: "name" }),
  });
  const chosen = newPassword();
  return {
    fields: [name, ...chosen.fields],
    code: null,
    problems: chosen.problems,
    value: () => ({ name: name.control.value.trim(), password: chosen.value() }),
  };
}

function addCode(answer, before) {
  answer.code = codeField();
  answer.fields.push(answer.code);
  before.before(answer.code.element);
  answer.code.control.focus();
}
