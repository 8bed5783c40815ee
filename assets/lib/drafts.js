// What somebody had entered when their session ended: kept in this tab until the same person is
// back at the same page.
//
// A form says what it holds; when the server says that nobody is logged in any more, that is put
// aside, and the form that is shown after the login takes it up again, once. Whoever else logs in,
// or goes elsewhere, ends it. Secret values are for the form to leave out.

import { whoAmI } from "./session.js";

const KEY = "opsicle.draft";

const forms = new Map();

/**
 * From now on `read()` says what the form of this name holds; null: nothing worth keeping. Gives
 * the way to stop.
 */
export function keepDraft(name, read) {
  forms.set(name, read);
  return () => forms.get(name) === read && forms.delete(name);
}

/**
 * Put aside what the forms on the page hold, for `person` (`Me` of the API) to find again at
 * `address`.
 */
export function putDraftsAside(person, address) {
  const held = [...forms]
    .map(([name, read]) => [name, read()])
    .filter(([, content]) => content !== null);
  if (!person || !held.length) return;
  store({ owner: ownerOf(person), address, held: Object.fromEntries(held) });
}

/**
 * What was put aside for the form of this name, which is thereby used up; null if there is nothing
 * of this person's.
 */
export function takeDraft(name, address) {
  dropStaleDrafts(address);
  const { held = {}, ...rest } = stored() ?? {};
  const { [name]: content, ...others } = held;
  if (content === undefined) return null;
  store(Object.keys(others).length ? { ...rest, held: others } : null);
  return content;
}

/** Forget what was put aside if somebody else is logged in, or the person has gone elsewhere. */
export function dropStaleDrafts(address) {
  const kept = stored();
  const me = whoAmI();
  if (kept && me && (kept.owner !== ownerOf(me) || kept.address !== address)) store(null);
}

function ownerOf({ user, org }) {
  return `${user.id} ${org.code}`;
}

function stored() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY));
  } catch {
    return null; // storage is switched off, or holds something that is not ours
  }
}

function store(kept) {
  try {
    if (kept === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // keeping it is a convenience
  }
}
