// What somebody had entered when their session ended: kept in this tab until the same person is
// back at the same page. Beside it the texts that somebody is writing, kept until they are sent.
//
// A form says what it holds; when the server says that nobody is logged in any more, that is put
// aside, and the form that is shown after the login takes it up again, once. Whoever else logs in,
// or goes elsewhere, ends it. Secret values are for the form to leave out.

import { whoAmI } from "./session.js";

const KEY = "opsicle.draft";
const TYPED = "opsicle.typed ";

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
  if (me) forgetTypedByOthers(`${TYPED}${ownerOf(me)} `);
}

/**
 * A text that somebody is writing, kept in this tab until it is sent or given up, so that closing
 * the page or going back costs nothing: { read(), keep(text), forget() }. It is this person's in
 * this org, under a name. Nothing secret may be in it.
 */
export function typedText(name) {
  const key = `${TYPED}${ownerOf(whoAmI())} ${name}`;
  const attempt = (action) => {
    try {
      return action();
    } catch {
      return null; // storage is switched off or full: keeping it is a convenience
    }
  };
  return {
    read: () => attempt(() => sessionStorage.getItem(key)),
    keep: (text) => attempt(() => sessionStorage.setItem(key, text)),
    forget: () => attempt(() => sessionStorage.removeItem(key)),
  };
}

function forgetTypedByOthers(own) {
  try {
    for (const key of Object.keys(sessionStorage))
      if (key.startsWith(TYPED) && !key.startsWith(own)) sessionStorage.removeItem(key);
  } catch {
    // storage is switched off
  }
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
