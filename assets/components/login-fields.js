// What one logs in with, on the page for it and over a page whose session has ended.

import { logIn } from "../lib/api.js";
import { t } from "../lib/language.js";
import { windowsOrg } from "../lib/org-address.js";
import { remember } from "../lib/storage.js";
import { field, input, showProblems } from "./fields.js";
import { codeField } from "./step-up.js";

/**
 * The fields for the account of `address`. `send()` logs in, to `org` where the person does not
 * choose one, and resolves with whether that was all; if not, another field has come. Throws
 * ApiError.
 */
export function loginFields(address, org = "") {
  const email = field({
    label: t`E-mail`,
    path: "email",
    control: input({ type: "email", name: "email", autocomplete: "username", value: address }),
  });
  const password = field({
    label: t`Password`,
    path: "password",
    control: input({ type: "password", name: "password", autocomplete: "current-password" }),
  });
  const fields = [email, password];
  const send = async () => {
    const typed = fields.map(({ path, control }) => [path, control.value.trim()]);
    const values = Object.fromEntries(typed);
    try {
      await logIn(values.email, password.control.value, { org, ...values });
    } catch (error) {
      const asked = askedFor(error, values);
      if (!asked) {
        if (values.totp) fields.at(-1).control.select();
        throw error;
      }
      fields.push(asked);
      password.element.after(asked.element);
      asked.control.focus();
      showProblems(fields, error.errors ?? []);
      return false;
    }
    remember("email", values.email);
    return true;
  };
  return { fields, first: (address ? password : email).control, send };
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
