// A list of things of one kind. Every list of the application is one of these: narrowed by filters,
// loaded page by page, kept up to date, with words for waiting, for failure, and for nothing at
// all.

import { get, getAll } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { showList } from "../lib/keyed.js";
import { keepHere, keptHere, setQuery } from "../lib/router.js";
import { withInstants } from "../lib/times.js";
import { announce } from "./announcer.js";
import { busyWhile, button } from "./buttons.js";
import { loading } from "./headings.js";
import { ListChoice } from "./list-choice.js";
import { choiceColumn, leaveOutEmpty, rowOf, tableOf } from "./list-table.js";
import { keepFresh, refresher } from "./live.js";
import { problemBox } from "./problems.js";
import { forgetWhenClosed, noteShown, shownItem } from "./shown-item.js";
import { number, t } from "../lib/language.js";

export { actionsColumn, column, remark, severalLines } from "./list-table.js";

const PAGE_SIZE = 50;
const LARGEST_PAGE = 200; // what the server gives at most at once

/**
 * A list that lives until `signal` says otherwise. `element` is to be put on the page, `reload()`
 * loads it anew, and `mark` of a live one says whether it is up to date.
 *
 * What it looks like: `columns` (see list-table.js), for a table (what is false among them is left
 * out), or `row(item)` for elements of a <ul>; `look` is a class for either. Or another `view` of its
 * own making, { element, body, show(items) }, with an element in `body` for each item. `label` tells
 * a screen reader what the list holds. Of a table: `link(item)` is where a click on a row leads, or
 * `show(item)` what it does (an onclick that opens a dialog, to which the address leads too),
 * `showNamed(name)` the same for an item of a further page, `shownAs(item)` its name in the address,
 * `rowClass(item)` a class for it, `nameOf(item)` what the menu of its actions is called after.
 *
 * What is in it: the items of `endpoint`, further ones as they are asked for, or all at once if it
 * `isWhole`; `query` goes along. Or what `load(query)` resolves to, which gets the filters' values,
 * cursor and limit, and gives { items, next_cursor }. `key(item)` tells items apart. With `isLive`
 * it follows what changes in the org.
 *
 * What is done with several of them: `bulk`, a list of actions as bulk-dialog.js has them, what is
 * false among them left out. Each row then has a box; that of a <ul> gets it as the third parameter
 * of `row`.
 *
 * What narrows it: `filters` (see filters.js), whose values stand in the address and go to the
 * server; with `fits(item, values)` nothing is asked, and the items that are there are narrowed.
 * `empty(isNarrowed)` gives what is shown where there is nothing; `counted(number)` is told of how
 * many are shown.
 */
export class List {
  #options;
  #items = [];
  #next = "";
  #wanted = PAGE_SIZE;
  #loads = 0;
  #shownFor = "";
  #body;
  #choice;
  #toShow = shownItem();
  #frame;
  #place = h("div", {}, loading("rows"));
  #trouble = h("div", {});
  #more = button(t`Show more`, { onclick: () => busyWhile(this.#more, () => this.#showMore()) });
  #pager = h("div", { class: "pager", hidden: true }, this.#more);

  constructor({ columns, filters = [], bulk = [], ...options }) {
    const shared = { key: (item) => item.id, query: {}, ...options };
    this.#options = { ...shared, columns: columns?.filter(Boolean), filters };
    this.#choice = this.#choiceOf(bulk.filter(Boolean));
    const { look = "", label, signal, isLive, show, view } = options;
    if (show) forgetWhenClosed(signal);
    this.#wanted = keptHere(this.#wantedName) ?? PAGE_SIZE;
    ({ element: this.#frame, body: this.#body } = view ?? this.#viewOf({ look, label }));
    const toolbar = filters.map((filter) => filter.element);
    this.element = h(
      "div",
      { class: "list" },
      toolbar.length > 0 && h("div", { class: "toolbar" }, toolbar),
      this.#trouble,
      this.#place,
      this.#pager,
      this.#choice?.element,
    );
    for (const filter of filters) filter.listen(() => this.#narrow());
    const load = () => this.#load();
    const start = isLive ? keepFresh : refreshNow;
    const { refresh, mark } = start(load, { trouble: this.#trouble, signal });
    Object.assign(this, { reload: refresh, mark });
  }

  /** The rows of a table, or a <ul>. */
  #viewOf({ look, label }) {
    const { columns } = this.#options;
    if (!columns) {
      const body = h("ul", { class: look, "aria-label": label });
      return { element: body, body };
    }
    const body = h("tbody", { role: "rowgroup" });
    return { element: tableOf(columns, body, { look, label }), body };
  }

  #choiceOf(bulk) {
    if (!bulk.length) return null;
    const { key, columns } = this.#options;
    const nameOf = (item) => this.#nameOf(item);
    const choice = new ListChoice({ bulk, key, nameOf, changed: () => this.reload() });
    columns?.unshift(choiceColumn((item) => choice.box(item)));
    return choice;
  }

  /** Under which the page's place in the history keeps how many were shown. */
  get #wantedName() {
    return `shown of ${this.#options.label}`;
  }

  #want(count) {
    this.#wanted = count;
    keepHere(this.#wantedName, count > PAGE_SIZE ? count : undefined);
  }

  /**
   * Load as many items as are shown, or the first page. What was asked with other filters is
   * dropped.
   */
  async #load() {
    const loadNumber = ++this.#loads;
    const [asked, values] = [this.#asked(), this.#sent()];
    const found = [];
    let next = "";
    try {
      do {
        const limit = Math.min(this.#wanted - found.length, LARGEST_PAGE);
        const page = await this.#page({ ...values, cursor: next, limit });
        found.push(...page.items);
        next = page.next_cursor;
      } while (next && found.length < this.#wanted);
    } catch (error) {
      this.#failed(asked);
      throw error;
    }
    const isLatest = loadNumber === this.#loads && print(asked) === print(this.#asked());
    if (isLatest) this.#show(found, next);
  }

  /** What is shown stays, unless it was asked for with other filters. */
  #failed(asked) {
    if (this.#shownFor === print(asked)) return;
    this.#items = [];
    this.#pager.hidden = true;
    replace(this.#place);
  }

  async #page(query) {
    const { endpoint, isWhole, load, signal, query: always } = this.#options;
    if (load) return load(query);
    if (isWhole)
      return { items: await getAll(endpoint, { query: always, signal }), next_cursor: "" };
    return get(endpoint, { query: { ...always, ...query }, signal });
  }

  async #showMore() {
    const loadNumber = this.#loads;
    this.#want(this.#items.length + PAGE_SIZE);
    try {
      const page = await this.#page({ ...this.#sent(), cursor: this.#next, limit: PAGE_SIZE });
      if (loadNumber !== this.#loads) {
        this.reload(); // what stands before this page has been loaded anew meanwhile
        return;
      }
      const before = this.#body.children.length;
      this.#show([...this.#items, ...page.items], page.next_cursor);
      this.#readOnFrom(before);
    } catch (error) {
      replace(this.#trouble, problemBox(error));
    }
  }

  /** The button may be gone, and who reads with the keyboard goes on at the first new item. */
  #readOnFrom(index) {
    announce(t`${number(this.#body.children.length)} shown`);
    const first = this.#body.children[index];
    first?.setAttribute("tabindex", "-1");
    first?.focus({ preventScroll: true });
  }

  #narrow() {
    setQuery(this.#values());
    this.#want(PAGE_SIZE);
    if (!this.#options.fits) this.reload();
    else if (this.#shownFor) this.#draw();
  }

  /** What the server is asked for, as it stands in the address. */
  #asked() {
    return this.#options.fits ? {} : this.#values();
  }

  /** The same as it goes to the server: times are meant in the person's zone, ages end now. */
  #sent() {
    return withInstants(this.#asked());
  }

  #values() {
    return Object.assign({}, ...this.#options.filters.map((filter) => filter.values()));
  }

  #show(items, next) {
    this.#items = items;
    this.#next = next;
    this.#shownFor = print(this.#asked());
    this.#pager.hidden = !next;
    this.#draw();
  }

  #draw() {
    const { key, fits, empty, counted, view } = this.#options;
    const values = this.#values();
    const shown = fits ? this.#items.filter((item) => fits(item, values)) : this.#items;
    const isNarrowed = Object.values(values).some(Boolean);
    if (view) view.show(shown);
    else showList(this.#body, shown, key, (item, before) => this.#row(item, before));
    this.#choice?.keep(shown);
    if (this.#options.columns) leaveOutEmpty(this.#frame, this.#options.columns);
    const content = shown.length ? this.#frame : empty?.(isNarrowed);
    if (content !== this.#place.firstChild) replace(this.#place, content);
    counted?.(shown.length);
    this.#showFromAddress(shown);
  }

  /** Press the row that the address names, once there are rows; what has none yet is fetched. */
  #showFromAddress(items) {
    const name = this.#toShow;
    if (name === null) return;
    this.#toShow = null;
    const at = items.findIndex((item) => this.#shownAs(item) === name);
    const row = this.#body.children[at]?.querySelector("button.row-link");
    const onclick = row ? null : this.#options.showNamed?.(name);
    (row ?? (onclick && h("button", { onclick })))?.click();
  }

  #shownAs(item) {
    return this.#options.shownAs?.(item) ?? String(item.name ?? this.#options.key(item));
  }

  #showing(item) {
    const show = this.#options.show?.(item);
    return show && ((event) => (noteShown(this.#shownAs(item)), show(event)));
  }

  #row(item, before) {
    const { columns, row, rowClass, link } = this.#options;
    if (!columns) return row(item, before, this.#choice?.box(item));
    return rowOf(columns, item, {
      href: link?.(item),
      show: this.#showing(item),
      rowClass: rowClass?.(item),
      name: this.#nameOf(item),
    });
  }

  #nameOf(item) {
    const { nameOf, key } = this.#options;
    return nameOf?.(item) ?? item.name ?? key(item);
  }
}

const print = JSON.stringify;

function refreshNow(load, options) {
  const refresh = refresher(load, options);
  refresh();
  return { refresh };
}
