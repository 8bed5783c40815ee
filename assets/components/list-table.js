// How a list looks that is a table: one line an item, columns that align, the whole row a link,
// and on a telephone a card.

import { flatten, h } from "../lib/dom.js";
import { actionsMenu } from "./menus.js";
import { number, t } from "../lib/language.js";

const BOX_REM = 2; // as wide as the column in which an item is chosen
const NOTHING = "–"; // what stands in a cell where there is nothing; a card leaves it out

/**
 * A column of a list that is a table: what stands above it, and what stands in it for an item.
 *
 * `size` is "grow" for what says what the item is and takes the room that is left (the first column,
 * unless another says so), "tall" for what must not be cut off, "wide" for what is besides as wide
 * as that; else the column is as wide as what is in it. An `isMinor` column is left out where there
 * is little room. What stands in one that `isNumber` ends below each other. A card says `label` before
 * it, which is what stands above it unless given; it has no minor column, nor one whose `card` is
 * "none", and gives one whose `card` is "line" a line of its own, of which there may be one in a list.
 */
export function column(head, cell, options = {}) {
  const { size = "", isMinor = false, isNumber = false, label = head, card = "" } = options;
  return { head, cell, size, isMinor, isNumber, label, card };
}

/** The last column, in which an item's buttons stand; more than one of them go into a menu. */
export function actionsColumn(cell) {
  return { head: h("span", { class: "unseen" }, t`Actions`), cell, isActions: true };
}

/** The first column, in which an item is chosen. */
export function choiceColumn(cell) {
  return { head: h("span", { class: "unseen" }, t`Choose`), cell, isChoice: true };
}

/**
 * What is wrong with an item, or what it waits for: it stands beside what the item is, and on lines
 * of its own where it would be cut off, two at the most. What is longer stands where the row leads.
 */
export function remark(content) {
  return h("div", { class: "muted small remark" }, content);
}

/** Several lines of a cell; on a telephone they are there once one asks for them. */
export function severalLines(lines) {
  const isOpen = !matchMedia("(width < 46.25rem)").matches;
  return h(
    "details",
    { class: "several", open: isOpen },
    h("summary", {}, number(lines.length)),
    lines,
  );
}

/** The table around the rows in `body`. What its elements are is said to screen readers by roles,
    as they are laid out as a grid. */
export function tableOf(columns, body, { look = "", label }) {
  const heads = columns.map((each) =>
    h("th", { scope: "col", role: "columnheader", class: classOf(each) }, each.head),
  );
  const properties = {
    class: `table ${look}`,
    role: "table",
    "aria-label": label,
    style: {
      "--columns": tracks(columns, 14),
      "--fewer-columns": tracks(
        columns.filter(({ isMinor }) => !isMinor),
        11,
      ),
    },
  };
  const head = h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads));
  const table = h("table", properties, head, body);
  table.addEventListener("pointerover", titleWhatIsCut);
  return table;
}

/** What does not fit into its cell is said by its title. */
function titleWhatIsCut({ target }) {
  const cell = target.closest("td");
  if (!cell) return;
  const isCut = [cell, ...cell.querySelectorAll("*")].some((each) => {
    const isOut = each.scrollWidth > each.clientWidth || each.scrollHeight > each.clientHeight + 2;
    return isOut && getComputedStyle(each).overflowX !== "visible";
  });
  if (isCut) cell.title = cell.innerText.replace(/\s+/g, " ");
  else cell.removeAttribute("title");
}

/**
 * Leave out of a table the minor columns in which nothing stands for any of its items, now that its
 * rows have changed; the others get their room.
 */
export function leaveOutEmpty(table, columns) {
  const rows = [...table.tBodies[0].rows];
  const isEmpty = (i) => rows.every(({ cells }) => cells[i].classList.contains("is-empty"));
  const shown = columns.filter(({ isMinor }, i) => !isMinor || !isEmpty(i));
  for (const { cells } of table.rows)
    columns.forEach((each, i) => (cells[i].hidden = !shown.includes(each)));
  table.style.setProperty("--columns", tracks(shown, 14));
}

const SIZES = { tall: "minmax(7rem, 1fr)", wide: "minmax(7rem, 2fr)" };

/**
 * Their widths, the main one's at least so much in rem, of which a box takes its own. A column that
 * is left out takes none with it.
 */
function tracks(columns, least) {
  const main = mainOf(columns);
  const hasBox = columns.some(({ isChoice }) => isChoice);
  return columns
    .map((each) => {
      if (each.isActions || each.isChoice) return "auto";
      if (each === main) return `minmax(${hasBox ? least - BOX_REM : least}rem, 2fr)`;
      return SIZES[each.size] ?? "minmax(3rem, auto)";
    })
    .join(" ");
}

/** The column that says what an item is: it takes the room that is left, and leads to its page. */
function mainOf(columns) {
  return columns.find(({ size }) => size === "grow") ?? columns.find((each) => !each.isChoice);
}

function classOf({ size, isMinor, isNumber, isActions, isChoice, card }, isMain) {
  const classes = [
    isActions && "table-actions",
    isChoice && "table-choice",
    isMain && "is-main",
    size in SIZES && "is-tall",
    isMinor && "is-minor",
    isNumber && "is-number",
    card === "line" && "is-line",
    card === "none" && "is-off-card",
  ];
  return classes.filter(Boolean).join(" ") || null;
}

/**
 * An item's row. A click on any place of it that is no button or link of its own leads to `href`, or
 * calls `show`; `rowClass` is for the row, `name` for what is said of it.
 */
export function rowOf(columns, item, { href, show, rowClass, name }) {
  const main = mainOf(columns);
  const cells = columns.map((each, i) => {
    const { label, cell, isActions, isChoice } = each;
    const content = isActions ? actions(name, cell(item)) : cell(item);
    const shown = each === main ? wholeRow({ href, show, name }, content) : content;
    const dataset = i && !isActions && !isChoice ? { label } : {};
    const properties = { role: "cell", class: classOf(each, each === main), dataset };
    const element = h("td", properties, shown);
    if (element.textContent === NOTHING) element.classList.add("is-empty");
    return element;
  });
  return h("tr", { role: "row", class: rowClass }, cells);
}

function wholeRow({ href, show, name }, content) {
  const common = { class: "row-link", dataset: { focus: `row-${name}` } };
  if (href) return h("a", { href, ...common }, content);
  if (!show) return content;
  const verb = h("span", { class: "unseen" }, t`Show`, " ");
  return h("button", { type: "button", onclick: show, ...common }, verb, content);
}

function actions(name, buttons) {
  const all = flatten([buttons]);
  return all.length > 1 ? actionsMenu(t`More for ${name}`, all) : all;
}
