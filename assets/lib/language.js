// Texts, numbers and lists in the language of the page. The server puts the texts of another
// language into the modules as it sends them (docs/frontend.md); here their values are filled in.

/** The language of the page, such as "de". */
export const LANGUAGE = document.documentElement.lang;

/** The locale by which dates and numbers are written: the browser's own variety of the language. */
export const LOCALE =
  navigator.languages.find((each) => each.split("-")[0] === LANGUAGE) ?? LANGUAGE;

/** The languages that there are, each by its own name. */
export const LANGUAGES = [
  ["en", "English"],
  ["de", "Deutsch"],
];

const COOKIE = "opsicle-language";
const A_YEAR_SECONDS = 31_536_000;
const numbers = new Intl.NumberFormat(LOCALE);
const plurals = new Intl.PluralRules(LOCALE);

/**
 * A text for people: t`Run ${name} now`. It is a string; where a value is an element, or a list of
 * some, it is a list of children for `h`. What is null, undefined or false leaves nothing.
 */
export function t(texts, ...values) {
  const shown = values.map((value) => (value ?? false) || (value === 0 ? value : ""));
  const isText = shown.every((value) => typeof value !== "object");
  const parts = texts.flatMap((text, i) => (i < shown.length ? [text, shown[i]] : [text]));
  return isText ? parts.join("") : parts;
}

/** Which of the texts fits the number: plural(n, { one: t`1 phase`, other: t`${n} phases` }). */
export function plural(count, texts) {
  return texts[plurals.select(count)] ?? texts.other;
}

/** "12,345", as the locale writes a number; `options` are those of Intl.NumberFormat. */
export function number(value, options) {
  return options ? new Intl.NumberFormat(LOCALE, options).format(value) : numbers.format(value);
}

/** "a, b and c"; "a, b or c" for the type "disjunction". */
export function listText(items, type = "conjunction") {
  return new Intl.ListFormat(LOCALE, { type }).format(items);
}

/** Show the pages in the language that somebody has chosen, wherever they log in. */
export function speakAs(language) {
  const isKept = document.cookie.split("; ").includes(`${COOKIE}=${language}`);
  if (language && language !== LANGUAGE && !isKept) speak(language);
}

/** Show the pages in this language from now on; "" as the browser asks. Loads the page anew. */
export function speak(language) {
  const age = language ? A_YEAR_SECONDS : 0;
  document.cookie = `${COOKIE}=${language}; Path=/; Max-Age=${age}; SameSite=Lax`;
  location.reload();
}
