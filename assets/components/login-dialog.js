// Logging in over a page whose session has ended, so that nothing of the page is lost.

import { findSession } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { setMe, whoAmI } from "../lib/session.js";
import { askForm } from "./dialogs.js";
import { missing } from "./forms.js";
import { loginFields } from "./login-fields.js";

/**
 * Ask `person` (`Me` of the API) to log in again, unless they have in another window. Resolves with
 * whether they are logged in; if not, lib/session.js knows who is.
 */
export async function askLogin(person) {
  const found = await findSession();
  if (found) return isStill(person, found);
  let isIn = false;
  await new Promise((resolve) => {
    const { fields, first, send } = loginFields(person.user.email, person.org.code);
    const open = new AbortController();
    const dialog = askForm({
      title: t`Log in again`,
      above: h("p", {}, t`Your session has ended. What you have entered is still here.`),
      fields,
      check: () => missing(fields),
      send,
      action: t`Log in`,
      back: t`Leave this page`,
      done: (isDone) => (isIn = isDone),
      closed: () => (open.abort(), resolve()),
    });
    const look = async () => {
      const other = await findSession().catch(() => null);
      if (!other || open.signal.aborted) return;
      setMe(other);
      isIn = true;
      dialog.close();
    };
    addEventListener("focus", look, { signal: open.signal });
    first.focus();
  });
  return isStill(person, isIn ? whoAmI() : null);
}

/** From now on `me` is logged in; gives whether that is the same person, in the same org. */
function isStill(person, me) {
  setMe(me);
  return me?.user.id === person.user.id && me.org.code === person.org.code;
}
