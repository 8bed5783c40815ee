// What an editor offers where the cursor stands: a list below the line, by keys or with a click.

import { h, replace } from "../lib/dom.js";
import { typeInto } from "../lib/typing.js";
import { announce } from "./announcer.js";
import { plural, t } from "../lib/language.js";

const MOST = 12;

/**
 * Offers in the text field `text`, drawn in `pane`. `placeOf(text)` gives { row, column, place },
 * `offersAt(place)` all that may be typed at a place. Gives { open(), key(event) }; `key` says
 * whether a key was meant for the list.
 */
export function codeOffers({ text, pane, placeOf, offersAt }) {
  const list = h("ul", {
    class: "editor-offers",
    role: "listbox",
    id: "editor-offers",
    hidden: true,
  });
  list.setAttribute("aria-label", t`What may stand here`);
  pane.append(list);
  text.setAttribute("aria-autocomplete", "list");
  text.setAttribute("aria-controls", list.id);
  const shown = { items: [], chosen: 0, typed: "" };

  const close = () => {
    list.hidden = true;
    text.removeAttribute("aria-activedescendant");
  };
  const choose = (index) => {
    shown.chosen = (index + shown.items.length) % shown.items.length;
    for (const [i, element] of [...list.children].entries())
      element.setAttribute("aria-selected", String(i === shown.chosen));
    const element = list.children[shown.chosen];
    text.setAttribute("aria-activedescendant", element.id);
    element.scrollIntoView({ block: "nearest" });
  };
  const take = (item) => {
    const end = text.selectionStart;
    text.setSelectionRange(end - shown.typed.length, end);
    close();
    typeInto(text, writtenOut(item, lineStart(text.value, end)));
    if (item.isChosen) open();
  };
  const open = () => {
    const { row, column, place } = placeOf(text);
    shown.items = place ? fitting(offersAt(place), place).slice(0, MOST) : [];
    if (!shown.items.length) return close();
    shown.typed = place.typed;
    replace(
      list,
      shown.items.map((item, i) => offerView(item, i, () => take(item))),
    );
    list.style.setProperty("--row", row);
    list.style.setProperty("--column", column - place.typed.length);
    list.hidden = false;
    list.scrollIntoView({ block: "nearest" });
    choose(0);
    return announce(
      plural(shown.items.length, {
        one: t`1 suggestion`,
        other: t`${shown.items.length} suggestions`,
      }),
    );
  };

  text.addEventListener("input", (event) => {
    const isTyped = event.inputType === "insertText" && /^[\w-]$/.test(event.data ?? "");
    if (isTyped || (!list.hidden && event.inputType?.startsWith("delete"))) open();
    else if (!list.hidden && document.activeElement === text) close();
  });
  text.addEventListener("blur", close);
  text.addEventListener("click", close);
  const moves = { ArrowDown: 1, ArrowUp: -1 };
  const key = (event) => {
    if (list.hidden) return false;
    if (moves[event.key]) choose(shown.chosen + moves[event.key]);
    else if (event.key === "Enter" || event.key === "Tab") take(shown.items[shown.chosen]);
    else if (event.key === "Escape") close();
    else {
      if (!event.key.startsWith("Shift") && event.key.length > 1 && event.key !== "Backspace")
        close();
      return false;
    }
    event.preventDefault();
    return true;
  };
  return { open, key };
}

/**
 * Those that begin with what is typed, then those that have it elsewhere; none that is there whole.
 */
function fitting(items, { typed, used, key }) {
  const word = typed.toLowerCase();
  const others = items.filter(({ name }) => key !== undefined || !used.has(name));
  const starting = others.filter(({ name }) => name.toLowerCase().startsWith(word));
  const holding = others.filter((item) => !starting.includes(item) && has(item, word));
  const found = [...starting, ...holding];
  return found.length === 1 && found[0].name === typed && key !== undefined ? [] : found;
}

function has({ name }, word) {
  return name.toLowerCase().includes(word);
}

function lineStart(value, end) {
  const line = value.slice(value.lastIndexOf("\n", end - 1) + 1, end);
  return /^(?:\s|- )*/.exec(line)[0].length;
}

/** A field with what comes behind it: a space, or a line of its own for what it holds. */
function writtenOut({ name, kind }, column) {
  const inside = " ".repeat(column + 2);
  if (kind === "mapping") return `${name}:\n${inside}`;
  if (kind === "list") return `${name}:\n${inside}- `;
  return kind === "value" ? name : `${name}: `;
}

function offerView({ name, about }, i, take) {
  return h(
    "li",
    {
      role: "option",
      id: `editor-offer-${i}`,
      "aria-selected": "false",
      onmousedown: (event) => {
        event.preventDefault(); // the focus stays in the text
        take();
      },
    },
    h("strong", {}, name),
    about && h("span", { class: "muted" }, about),
  );
}
