// Choosing several items of a list, and doing the same with all of them.

import { h, replace } from "../lib/dom.js";
import { number, plural, t } from "../lib/language.js";
import { visible } from "../lib/visible.js";
import { announce, note } from "./announcer.js";
import { openBulk } from "./bulk-dialog.js";
import { button } from "./buttons.js";

/**
 * What is chosen of a list, by boxes in its rows. `element` says how many and has the buttons of
 * `bulk`, what can be done with several (see bulk-dialog.js). Only what is shown stays chosen.
 */
export class ListChoice {
  #key;
  #nameOf;
  #changed;
  #shown = new Map();
  #chosen = new Set();
  #boxes = new Map();
  #count = h("strong", {});
  #all = button("", { look: "quiet", onclick: () => this.#choose([...this.#shown.keys()]) });
  #clear = button(t`Choose none`, { look: "quiet is-clear", onclick: () => this.#choose([]) });

  constructor({ bulk, key, nameOf, changed }) {
    this.#key = key;
    this.#nameOf = nameOf;
    this.#changed = changed;
    this.element = h("div", { class: "chosen", role: "region", "aria-label": t`What is chosen` });
    const buttons = bulk.map((each) =>
      button(each.text, { onclick: ({ currentTarget }) => this.#act(each, currentTarget) }),
    );
    replace(this.element, this.#count, buttons, this.#all, this.#clear);
    this.#draw();
  }

  /** The box of an item's row. */
  box(item) {
    const id = this.#key(item);
    const name = this.#nameOf(item);
    const box = h("input", {
      type: "checkbox",
      "aria-label": t`Choose ${name}`,
      checked: this.#chosen.has(id),
      dataset: { focus: `choice-${name}` },
      onchange: () => {
        if (box.checked) this.#chosen.add(id);
        else this.#chosen.delete(id);
        this.#draw();
        announce(this.#countText());
      },
    });
    this.#boxes.set(id, box);
    return h("label", { class: "row-choice" }, box);
  }

  /** These are shown now. */
  keep(items) {
    this.#shown = new Map(items.map((item) => [this.#key(item), item]));
    for (const known of [this.#chosen, this.#boxes])
      for (const id of known.keys()) if (!this.#shown.has(id)) known.delete(id);
    this.#draw();
  }

  #choose(ids) {
    const isLeft = ids.length === 0 && this.element.contains(document.activeElement);
    const last = [...this.#chosen].at(-1);
    this.#chosen = new Set(ids);
    for (const [id, box] of this.#boxes) box.checked = this.#chosen.has(id);
    if (isLeft) this.#boxes.get(last)?.focus(); // the button that had the focus goes
    this.#draw();
    announce(this.#countText());
  }

  #draw() {
    this.element.hidden = this.#chosen.size === 0;
    this.#count.textContent = this.#countText();
    this.#all.lastChild.textContent = t`Choose all ${number(this.#shown.size)} shown`;
    this.#all.hidden = this.#chosen.size === this.#shown.size;
  }

  #countText() {
    const count = this.#chosen.size;
    if (!count) return t`None chosen`;
    return plural(count, { one: t`1 chosen`, other: t`${number(count)} chosen` });
  }

  #act(action, opener) {
    const items = [...this.#shown].filter(([id]) => this.#chosen.has(id)).map(([, item]) => item);
    const done = () => this.#choose([]);
    if (action.isHarmless) {
      items.forEach(action.run);
      note(action.said(items.length));
      done();
      this.#changed();
      return;
    }
    const nameOf = action.nameOf ?? this.#nameOf;
    const chosen = items.map((item) => ({ item, name: visible(nameOf(item)) }));
    openBulk(action, chosen, { opener, changed: this.#changed, done });
  }
}
