// A form that is a part of its page: sent once at a time, mistakes at their fields, other trouble
// above the button.

import { h, replace } from "../lib/dom.js";
import { busyWhile } from "./buttons.js";
import { explainAt, showProblems } from "./fields.js";
import { problemBox } from "./problems.js";
import { LANGUAGE, LANGUAGES, speak, t } from "../lib/language.js";

/**
 * A form of `fields` around its `submit` button. `check()` gives what is wrong before anything is
 * sent, as problems of the server's kind; `send()` may throw. Further elements may stand `above`
 * the fields, `beside` them, and at the `foot`, with the button.
 */
export function pageForm(wanted) {
  const { look, above, fields, beside, submit, foot = submit, check = () => [], send } = wanted;
  const trouble = h("div", {});
  const run = async () => {
    trouble.replaceChildren();
    const wrong = check();
    showProblems(fields, wrong);
    if (wrong.length) return;
    try {
      await send();
    } catch (error) {
      showTrouble(fields, trouble, error);
    }
  };
  const onsubmit = (event) => {
    event.preventDefault();
    busyWhile(submit, run);
  };
  const elements = fields.map((each) => each.element);
  const properties = { class: look, novalidate: true, onsubmit };
  if (!beside) return h("form", properties, above, elements, trouble, foot);
  const part = (...content) => h("section", { class: "form" }, content);
  return h("form", properties, part(above, elements), beside, part(trouble, foot));
}

/** The problems of those fields in which nothing stands. */
export function missing(fields) {
  const empty = fields.filter((each) => !each.control.value.trim());
  return empty.map(({ path }) => ({ path, message: t`is required` }));
}

/**
 * A form by which one comes in: a card below the logo. Gives the heading, to be shown with what
 * becomes of it.
 */
export function entrance(root, title, { below, ...form }) {
  const heading = h("h1", { tabindex: "-1" }, title);
  const logo = h("img", { src: "/logo.svg", alt: "", width: "56", height: "56" });
  const card = pageForm({ ...form, look: "card", above: [heading, form.above] });
  root.append(h("div", { class: "entrance" }, logo, card, below, languageChoice()));
  return { heading, card };
}

/** The ways to the other languages, each in its own words, before anybody knows who one is. */
function languageChoice() {
  const others = LANGUAGES.filter(([language]) => language !== LANGUAGE);
  return others.map(([language, name]) =>
    h(
      "button",
      { type: "button", class: "link", lang: language, onclick: () => speak(language) },
      name,
    ),
  );
}

function showTrouble(fields, trouble, error) {
  try {
    explainAt(fields, error);
  } catch (rest) {
    replace(trouble, problemBox(rest));
  }
}
