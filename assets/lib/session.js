// Who is logged in, as this page knows it. `lib/api.js` fills it; everything else reads it.

let me = null;

/** The person who is logged in (`Me` of the API), or null. */
export function whoAmI() {
  return me;
}

/** Remember who is logged in; null: nobody. */
export function setMe(value) {
  me = value;
}

/**
 * Whether the person may do this, such as `templates.push`. The server asks again; this only hides
 * buttons.
 */
export function may(action) {
  return me?.permissions.includes(action) ?? false;
}
