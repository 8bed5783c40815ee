// The templates that a person has marked, in this browser: of each person and org apart.

import { whoAmI } from "./session.js";
import { remember, remembered } from "./storage.js";

/** The names of the templates that are marked. */
export function favourites() {
  return new Set(remembered(place(), []));
}

/** Mark a template, or no longer. */
export function setFavourite(template, isMarked) {
  const names = favourites();
  if (isMarked) names.add(template);
  else names.delete(template);
  remember(place(), names.size ? [...names].toSorted() : null);
}

function place() {
  const { user, org } = whoAmI();
  return `favourites.${org.code}.${user.id}`;
}
