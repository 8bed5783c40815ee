// What the server finds wrong in templates and other documents, word for word as it says it.

import { t } from "./language.js";

/**
 * Each in English and in the language of the page, with numbers in place of values; the third says
 * which value is such a sentence itself.
 */
export const MISTAKES = [
  ["the document cannot be used: {0} mistakes", t`the document cannot be used: {0} mistakes`],
  ["the document cannot be used: {0}", t`the document cannot be used: {0}`, 0],
  ["it is empty", t`it is empty`],
  [
    "it is not YAML: {0}; a quote or bracket is not closed",
    t`it is not YAML: {0}; a quote or bracket is not closed`,
  ],
  ["it is not YAML: {0}", t`it is not YAML: {0}`],
  ["is missing", t`is missing`],
  ["is empty", t`is empty`],
  ["is empty; it needs at least one item", t`is empty; it needs at least one item`],
  ["has {0} characters; at most {1} are allowed", t`has {0} characters; at most {1} are allowed`],
  ["has {0} items; at most {1} are allowed", t`has {0} items; at most {1} are allowed`],
  ["must be between {0} and {1}, not {2}", t`must be between {0} and {1}, not {2}`],
  ["must be true or false", t`must be true or false`],
  [
    "must be a whole number, without quotes or unit, not {0}",
    t`must be a whole number, without quotes or unit, not {0}`,
  ],
  [
    "{0} is not allowed (did you mean {1}?); it must be {2}",
    t`{0} is not allowed (did you mean {1}?); it must be {2}`,
  ],
  ["{0} is not allowed; it must be {1}", t`{0} is not allowed; it must be {1}`],
  ["{0} is no valid name here: {1}", t`{0} is no valid name here: {1}`],
  ["{0} stands twice", t`{0} stands twice`],
  ["the key {0} stands twice; first on line {1}", t`the key {0} stands twice; first on line {1}`],
  [
    "unknown field {0} (did you mean {1}?); known here: {2}",
    t`unknown field {0} (did you mean {1}?); known here: {2}`,
  ],
  ["unknown field {0}; known here: {1}", t`unknown field {0}; known here: {1}`],
  [
    "a phase {0} stands further up already; names tell phases apart",
    t`a phase {0} stands further up already; names tell phases apart`,
  ],
  ["a variable {0} stands further up already", t`a variable {0} stands further up already`],
];
