// Accepting an invitation into an org: with the account that one has, or with a new one.

import { button, buttonLink } from "../components/buttons.js";
import { field, input } from "../components/fields.js";
import { entrance, missing } from "../components/forms.js";
import { newPassword } from "../components/new-password.js";
import { problemBox } from "../components/problems.js";
import { codeField } from "../components/step-up.js";
import { post } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { takeToken } from "../lib/router.js";
import { exactTime } from "../lib/times.js";
import { visible } from "../lib/visible.js";

export function mount(root, { title }) {
  const token = takeToken();
  const { card } = entrance(root, title, { fields: [] });
  load(root, card, token);
}

async function load(root, card, token) {
  try {
    const offer = await post("/invitations/look", { body: { token } });
    root.replaceChildren();
    show(root, token, offer);
  } catch (error) {
    card.append(notOpen(error));
  }
}

/** Whoever has an account already came in by it, and goes on at the login. */
function notOpen(error) {
  const { code, detail, hint } = error;
  if (code !== "not_authenticated") return problemBox(error);
  const onward = buttonLink(t`To the login`, "/login");
  return problemBox({ title: t`This link leads nowhere`, detail, hint }, onward);
}

function show(root, token, offer) {
  const { org, has_account: hasAccount } = offer;
  const { fields, check, value } = hasAccount ? knownPerson() : newPerson();
  const send = async () => {
    try {
      const body = { token, kind: "browser", ...value() };
      await post("/invitations/accept", { body });
    } catch (error) {
      if (error.code !== "totp_required" || fields.at(-1).path === "totp") throw error;
      fields.push(codeField());
      fields.at(-2).element.after(fields.at(-1).element);
      fields.at(-1).control.focus();
      return;
    }
    location.assign("/"); // whatever this browser knew of another session is forgotten
  };
  entrance(root, t`Join ${visible(org.name || org.code)}`, {
    above: facts(offer),
    fields,
    check,
    submit: button(t`Join ${org.code}`, { look: "primary wide", type: "submit" }),
    send,
  });
  fields[0].control.focus();
}

function facts({ org, email, role, invited_by, has_account, expires_at }) {
  return h(
    "p",
    {},
    t`${visible(invited_by)} invites ${visible(email)} to ${org.code} as ${role}, until ${exactTime(expires_at)}.`,
    " ",
    has_account ? t`Log in with your account to accept.` : t`Accepting makes your account.`,
  );
}

/** What somebody proves who has an account; a code is asked for when the server wants one. */
function knownPerson() {
  const password = field({
    label: t`Password`,
    path: "password",
    control: input({ type: "password", autocomplete: "current-password" }),
  });
  const fields = [password];
  const value = () => ({
    password: password.control.value,
    totp: fields[1]?.control.value.trim() ?? "",
  });
  return { fields, check: () => missing([password]), value };
}

/** What a new account is made with. */
function newPerson() {
  const name = field({
    label: t`Your name`,
    path: "name",
    control: input({ maxlength: 200, autocomplete: "name" }),
  });
  const chosen = newPassword();
  return {
    fields: [name, ...chosen.fields],
    check: chosen.problems,
    value: () => ({ name: name.control.value.trim(), password: chosen.value() }),
  };
}
