// What narrows a list. Each filter is { element, values(), listen(changed) }: `values()` are
// parameters of the list's endpoint, `changed()` is called when others are wanted.

import { h } from "../lib/dom.js";
import { showList } from "../lib/keyed.js";
import { visible } from "../lib/visible.js";
import { button } from "./buttons.js";
import { field, input } from "./fields.js";
import { t } from "../lib/language.js";

const PAUSE_MS = 300; // after the last key

/**
 * A text typed into a search field. `suggestions` is a promise of texts that are offered;
 * `isInstant`: no pause.
 */
export function searchFilter({ name, value, suggestions, isInstant = false, ...attributes }) {
  const options = h("datalist", { id: `suggestions-${name}` });
  const list = suggestions ? options.id : null;
  const control = input({ type: "search", value: value ?? "", list, ...attributes });
  suggestions?.then(
    (texts) => options.append(...texts.map((text) => h("option", { value: text }))),
    () => {}, // one can still type
  );
  let timer = 0;
  const listen = (changed) =>
    control.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(changed, isInstant ? 0 : PAUSE_MS);
    });
  const values = () => ({ [name]: control.value.trim() });
  return { element: suggestions ? [control, options] : control, values, listen };
}

/**
 * One of a few choices, each { value, content }; the first is chosen unless `value` says otherwise.
 * Behind them stands a menu with `more`, { label, choices: [[value, text]] }, of rarer ones.
 */
export function chipsFilter({ name, label, value, choices, more = null }) {
  const values = [
    ...choices.map((each) => each.value),
    ...(more?.choices ?? []).map(([each]) => each),
  ];
  let chosen = values.includes(value) ? value : choices[0].value;
  const menu = more && moreChoices(more);
  const chips = choices.map((each) => h("button", { type: "button", class: "chip" }, each.content));
  const draw = () => {
    for (const [i, chip] of chips.entries()) {
      chip.setAttribute("aria-pressed", String(choices[i].value === chosen));
    }
    menu?.show(chosen);
  };
  draw();
  const listen = (changed) => {
    for (const [i, chip] of chips.entries()) {
      chip.addEventListener("click", () => choose(choices[i].value, changed));
    }
    menu?.listen((one) => choose(one || choices[0].value, changed));
  };
  const choose = (one, changed) => ((chosen = one), draw(), changed());
  const all = [chips, menu?.element];
  const element = h("div", { class: "chips", role: "group", "aria-label": label }, all);
  return { element, values: () => ({ [name]: chosen }), listen };
}

/**
 * One of many choices, [value, text], in a menu; `label` says that none is chosen. `offer(choice)`
 * adds one, unless it is there.
 */
export function menuFilter({ name, label, value, choices }) {
  const menu = moreChoices({ label, choices });
  menu.show(value);
  const listen = (changed) => menu.listen((chosen) => (menu.show(chosen), changed()));
  const values = () => ({ [name]: menu.element.value });
  return { element: menu.element, values, listen, offer: menu.offer };
}

function moreChoices({ label, choices }) {
  const options = [["", label], ...choices].map(([value, text]) => h("option", { value }, text));
  const element = h("select", { class: "chip", "aria-label": label }, options);
  const offers = (value) => [...element.options].some((each) => each.value === value);
  const show = (chosen) => {
    element.value = offers(chosen) ? chosen : "";
    element.classList.toggle("is-chosen", element.value !== "");
  };
  const offer = ([value, text]) => offers(value) || element.append(h("option", { value }, text));
  const listen = (chose) => element.addEventListener("change", () => chose(element.value));
  return { element, show, listen, offer };
}

/**
 * Any number of texts, each a chip; they stand in the address with commas between them.
 * `offer(texts)` says which there are; what is chosen is offered as long as it is chosen.
 */
export function manyChipsFilter({ name, label, value }) {
  let chosen = (value ?? "").split(",").filter(Boolean);
  let offered = [];
  let changed = () => {};
  const element = h("div", { class: "chips", role: "group", "aria-label": label });
  const toggle = (text) => {
    chosen = chosen.includes(text) ? chosen.filter((each) => each !== text) : [...chosen, text];
    draw();
    changed();
  };
  const chip = ({ text, isChosen }) => {
    const state = { "aria-pressed": String(isChosen), dataset: { focus: `chip-${text}` } };
    const onclick = () => toggle(text);
    return h("button", { type: "button", class: "chip", onclick, ...state }, visible(text));
  };
  const draw = () => {
    const texts = [...new Set([...offered, ...chosen])];
    const items = texts.map((text) => ({ text, isChosen: chosen.includes(text) }));
    showList(element, items, (item) => item.text, chip);
    element.hidden = !items.length;
  };
  draw();
  const offer = (texts) => ((offered = texts), draw());
  const values = () => ({ [name]: chosen.join(",") });
  return { element, values, offer, listen: (listener) => (changed = listener) };
}

/**
 * Several texts, which count when the form is sent, by a button with the text `send`. `controls` are
 * [name, label, attributes of its input].
 */
export function formFilter({ label, query, controls, send = t`Filter` }) {
  const fields = controls.map(([path, text, attributes]) =>
    field({ label: text, path, control: input({ value: query.get(path) ?? "", ...attributes }) }),
  );
  const values = () =>
    Object.fromEntries(fields.map(({ path, control }) => [path, control.value.trim()]));
  const element = h(
    "form",
    { class: "filter-form", role: "search", "aria-label": label },
    fields.map((each) => each.element),
    button(send, { type: "submit" }),
  );
  const listen = (changed) =>
    element.addEventListener("submit", (event) => {
      event.preventDefault();
      changed();
    });
  return { element, values, listen };
}
