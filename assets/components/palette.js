// Find or do anything by typing a part of its name: Ctrl-K, or ⌘-K on a Mac.

import { h, replace } from "../lib/dom.js";
import { bestMatches, matchScore } from "../lib/matching.js";
import { navigate } from "../lib/router.js";
import { whoAmI } from "../lib/session.js";
import { announce } from "./announcer.js";
import { icon } from "./icons.js";
import { actionsAndPages, byId, loadedThings } from "./palette-items.js";
import { t } from "../lib/language.js";

const KINDS = [
  t`Actions`,
  t`Templates`,
  t`Run`,
  t`Automations`,
  t`All runs`,
  t`Pages`,
  t`Workers`,
  t`People`,
];
const MOST = 5; // of each kind, so that all kinds are in sight
const isMac = /mac|iphone|ipad/i.test(navigator.platform);

/** The key that opens it, as people know it. */
export const SEARCH_KEY = isMac ? "⌘K" : t`Ctrl K`;

/** Call `open()` when its key is pressed; the browser's own meaning of it gives way. */
export function opensByKey(open) {
  document.addEventListener("keydown", (event) => {
    const isIt = event.key?.toLowerCase() === "k" && (event.ctrlKey || event.metaKey);
    if (!isIt || event.altKey || event.shiftKey || !whoAmI()) return;
    event.preventDefault();
    if (!document.querySelector("dialog[open]")) open();
  });
}

/** Open the dialog; `pages` are those of page-table.js. */
export function openPalette({ pages, logOut }) {
  const input = h("input", {
    type: "text",
    class: "palette-input",
    role: "combobox",
    placeholder: t`A template, an automation, a worker, a person, a page…`,
    autocomplete: "off",
    spellcheck: "false",
    "aria-label": t`Find or do`,
    "aria-expanded": "true",
    "aria-controls": "palette-list",
    "aria-autocomplete": "list",
  });
  const list = h("div", { id: "palette-list", class: "palette-list", role: "listbox" });
  list.setAttribute("aria-label", t`What was found`);
  const dialog = h(
    "dialog",
    { class: "dialog palette", "aria-label": t`Find or do` },
    h("div", { class: "palette-head" }, icon("search"), input, h("kbd", {}, t`Esc`)),
    list,
  );
  const loading = new AbortController();
  dialog.addEventListener("close", () => (loading.abort(), dialog.remove()));
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  const choice = new Choice(input, list, (item) => {
    dialog.close();
    if (item.run) item.run();
    else navigate(item.href);
  });
  choice.add(actionsAndPages(pages, logOut));
  loadedThings(loading.signal, (items) => choice.add(items));
}

/** The best of a kind, and how well the first of them answers to what is typed. */
function bestOf(kind, all, typed) {
  const textOf = ({ text }) => text;
  const items = bestMatches(
    all.filter((each) => each.kind === kind),
    typed,
    { textOf, most: MOST },
  );
  return { kind, items, score: items.length && matchScore(textOf(items[0]), typed) };
}

/** Items that are narrowed by what is typed, of which one is chosen. */
class Choice {
  #items = [];
  #shown = [];
  #current = 0;
  #isChosen = false; // by the person, not only as the best
  #input;
  #list;
  #take;

  constructor(input, list, take) {
    this.#input = input;
    this.#list = list;
    this.#take = take;
    input.addEventListener("input", () => ((this.#isChosen = false), this.#draw()));
    input.addEventListener("keydown", (event) => this.#onKey(event));
  }

  /** Offer more; what the person has chosen stays so. */
  add(items) {
    this.#items.push(...items);
    this.#draw(this.#isChosen ? this.#shown[this.#current] : undefined);
  }

  #onKey(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    const step = steps[event.key];
    if (step) {
      event.preventDefault();
      const { length } = this.#shown;
      this.#isChosen = true;
      if (length) this.#choose((this.#current + step + length) % length);
    } else if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      const item = this.#shown[this.#current];
      if (item) this.#take(item);
    }
  }

  #draw(kept) {
    const typed = this.#input.value.trim();
    const wanted = typed ? this.#items : this.#items.filter(({ isOffered }) => isOffered);
    const isThere = wanted.some(({ href }) => href?.endsWith(`/${typed}`));
    const all = isThere ? wanted : [...wanted, ...byId(typed)];
    const groups = KINDS.map((kind) => bestOf(kind, all, typed));
    if (typed) groups.sort((a, b) => b.score - a.score);
    this.#shown = groups.flatMap(({ items }) => items);
    let number = 0;
    replace(
      this.#list,
      groups.map(({ kind, items }) => {
        if (!items.length) return null;
        const options = items.map((item) => this.#option(item, number++));
        const head = h("div", { class: "palette-kind", "aria-hidden": "true" }, kind);
        return h("div", { role: "group", "aria-label": kind }, head, options);
      }),
      this.#shown.length === 0 &&
        h("p", { class: "palette-none muted" }, t`Nothing is called that.`),
    );
    if (typed) announce(t`${this.#shown.length} found`);
    this.#choose(Math.max(0, this.#shown.indexOf(kept)));
  }

  #option({ title, detail, symbol }, number) {
    return h(
      "div",
      {
        class: "palette-option",
        role: "option",
        id: `palette-${number}`,
        onclick: () => this.#take(this.#shown[number]),
        onpointermove: () => number !== this.#current && this.#choose(number),
      },
      icon(symbol),
      h("span", { class: "palette-title" }, title),
      detail && h("span", { class: "palette-detail" }, detail),
    );
  }

  #choose(number) {
    this.#current = number;
    for (const option of this.#list.querySelectorAll("[role=option]")) {
      const isIt = option.id === `palette-${number}`;
      option.setAttribute("aria-selected", String(isIt));
      if (isIt) option.scrollIntoView({ block: "nearest" });
    }
    const id = this.#shown.length ? `palette-${number}` : "";
    this.#input.setAttribute("aria-activedescendant", id);
  }
}
