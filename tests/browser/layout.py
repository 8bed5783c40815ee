"""Whether a page fits every width, in both themes."""

from __future__ import annotations

from typing import Literal

from playwright.sync_api import Page, expect

from tests.browser.accessibility import NARROW, THEMED, faint, findings
from tests.support import SCALE

LAYOUT = """() => {
  const overlapping = () => {
    const boxes = [...document.querySelectorAll(".main-nav > a > span, .main-nav button > span")]
      .filter((name) => getComputedStyle(name).clipPath === "none")
      .map((name) => ({ name: name.textContent, box: name.getBoundingClientRect() }))
      .filter(({ box }) => box.width > 0);
    return boxes
      .filter(({ box }, i) => boxes.slice(0, i).some(({ box: other }) =>
        other.right > box.left + 1 && box.right > other.left + 1 &&
        other.bottom > box.top + 1 && box.bottom > other.top + 1))
      .map(({ name }) => name);
  };
  const gutters = () => [...document.querySelectorAll("main .table")]
    .filter((table) => getComputedStyle(table).display === "grid" && table.tBodies[0].rows.length)
    .map((table) => {
      const cells = [...table.tBodies[0].rows[0].cells].filter((cell) => cell.offsetWidth);
      return table.getBoundingClientRect().right - cells.at(-1).getBoundingClientRect().right;
    })
    .filter((gutter) => Math.abs(gutter) > 1);
  const untitled = () => [...document.querySelectorAll("main .table td")].filter((cell) => {
    const isCut = [cell, ...cell.querySelectorAll("*")].some((each) =>
      each.clientWidth && each.scrollWidth > each.clientWidth + 1 &&
      getComputedStyle(each).textOverflow === "ellipsis");
    if (isCut) cell.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
    return isCut && !cell.title;
  }).map((cell) => cell.textContent);
  const misplaced = () => [...document.querySelectorAll(".page-title > .actions > .primary")]
    .filter((button) => button.nextElementSibling)
    .map((button) => button.textContent);
  const cutNames = () => [...document.querySelectorAll(
    "main .table td :is(strong, code, time, .state, .fact, .muted:not(.small))"
  )].filter((name) => {
    const cell = name.closest("td");
    const { right, width } = name.getBoundingClientRect();
    const isBesideRemark = name.parentElement.querySelector(":scope > .remark");
    if (isBesideRemark && name.matches(".muted")) return false;
    const isOut = right > cell.getBoundingClientRect().right + 1;
    return width && (isOut || name.scrollWidth > name.clientWidth + 1 && name.clientWidth);
  }).map((name) => name.textContent);
  const unsigned = () => [...document.querySelectorAll("main *")]
    .filter((each) => each.scrollWidth > each.clientWidth + 1 && each.clientWidth
      && ["auto", "scroll"].includes(getComputedStyle(each).overflowX)
      && !getComputedStyle(each).backgroundAttachment.includes("local")
      && !each.matches(".chips, .log-scroller"))
    .map((each) => each.className);
  const bottomOf = (each) => each.getBoundingClientRect().bottom;
  const isCutting = (each) => getComputedStyle(each).overflowY !== "visible";
  const ancestors = function* (each, last) {
    for (let at = each; at !== last; at = at.parentElement) yield at;
  };
  const textsOf = (row) => {
    const walker = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
    const unread = ".unseen, .button, [popover], details > :not(summary)";
    const texts = [];
    while (walker.nextNode()) {
      const { parentElement: own, textContent } = walker.currentNode;
      if (!textContent.trim() || own.closest(unread)) continue;
      const cutting = [...ancestors(own, row)].filter(isCutting).map((each) => bottomOf(each));
      const bottom = Math.min(bottomOf(own.closest("td, th")), ...cutting);
      const range = document.createRange();
      range.selectNodeContents(walker.currentNode);
      const lines = [...range.getClientRects()].filter((line) => line.top < bottom - 2);
      texts.push({ lines, isRemark: own.closest(".remark") !== null });
    }
    return texts;
  };
  const highRows = () => [...document.querySelectorAll("main .table tbody tr")].filter((row) => {
    const texts = textsOf(row);
    const isBroken = ({ lines }) => lines.at(-1)?.top > lines[0]?.bottom;
    const hasLongName = texts.some((text) => !text.isRemark && isBroken(text));
    const lines = texts.flatMap((text) => text.lines).toSorted((a, b) => a.top - b.top);
    const buttons = [...row.querySelectorAll(".table-actions .button:not([popover] *)")]
      .map((button) => button.getBoundingClientRect());
    const isAlone = (own) => lines.every(({ top, bottom }) => bottom < own.top || top > own.bottom);
    let [count, end] = [buttons.filter(isAlone).length, -Infinity];
    for (const { top, bottom } of lines) {
      if (top <= end - 4) continue; // it stands beside one that is counted
      count += 1;
      end = bottom;
    }
    const isCard = getComputedStyle(row).display === "flex";
    const most = isCard ? 3 : 4;
    return count > most && (isCard || !hasLongName); // which may break in a row
  }).map((row) => row.innerText);
  const primary = () => [...document.querySelectorAll("main .primary")]
    .filter((button) => button.checkVisibility() && !button.closest("dialog, [popover]"))
    .map((button) => button.textContent)
    .slice(1);
  const rail = () => {
    const { width } = document.querySelector(".main-nav").getBoundingClientRect();
    const wanted = innerWidth >= 1100 ? 220 : innerWidth >= 740 ? 56 : innerWidth;
    return document.body.classList.contains("is-framed") ? width - wanted : 0;
  };
  const isInText = (own) => getComputedStyle(own).display === "inline"
    && [...own.parentElement.childNodes].some((each) => each !== own && each.textContent.trim());
  const small = () => [...document.querySelectorAll("main :is(a[href], button, summary, input)")]
    .filter((own) => own.checkVisibility() && !own.matches(".unseen, .log-fold") && !isInText(own))
    .filter((own) => {
      const { width, height } = (own.closest("label") ?? own).getBoundingClientRect();
      return Math.min(width, height) < 24 && getComputedStyle(own, "::after").content === "none";
    })
    .map((own) => own.outerHTML.slice(0, 120));
  const { scrollWidth, clientWidth } = document.documentElement;
  const isFramed = document.body.classList.contains("is-framed") && clientWidth <= 1440;
  const mainRight = document.querySelector("main").getBoundingClientRect().right;
  return {
    "wider than the window by": Math.max(0, scrollWidth - clientWidth),
    "names of the menu over others": overlapping(),
    "cells cut off without a title": untitled(),
    "first buttons that are not at the right": misplaced(),
    "names cut off in lists": cutNames(),
    "scrolls sideways without a sign": unsigned(),
    "pages end before the window by": isFramed ? clientWidth - mainRight : 0,
    "last cells of lists end before the lists by": gutters(),
    "primary buttons besides the first": primary(),
    "the rail is wider than it should be by": rail(),
    "pressed, and less than 24 pixels high or wide": small(),
    "rows of more than four lines, cards of more than three":
      360 <= clientWidth && clientWidth <= 768 ? highRows() : [],
  };
}"""
TYPE_SIZES = """() => [...new Set([...document.querySelectorAll("body *")]
  .filter((element) => [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE))
  .map((element) => getComputedStyle(element).fontSize))]"""
HIDDEN_TABS = """() => [...document.querySelectorAll("main .tab[aria-selected=true]")]
  .filter((tab) => {
    const [list, own] = [tab.parentElement, tab].map((each) => each.getBoundingClientRect());
    return own.left < list.left - 1 || own.right > list.right + 1;
  })
  .map((tab) => tab.textContent)"""
WIDTHS = (1440, 1100, 950, 800, 768, 740, 360, 320)
"""With the rail, with its icons alone (from 740 to 1,100), and with the bar of a telephone."""

NARROWEST = min(WIDTHS)


def fits(page: Page) -> bool:
    """Return whether nothing is wider than the window or stands where other things are."""
    layout = page.evaluate(LAYOUT)
    print(layout)
    return not any(layout.values())


def fits_every_width_in_both_themes(page: Page, path: str, part: str = "main") -> None:
    """Look at a page in each theme and width, and let axe-core look at a part of it.

    By all rules as it stands first, on a telephone or a wide screen; by those that this may change
    as it stands last, which is the other end and the other theme. The next page begins there, and
    is seen in those widths between in which this one is not, unless all are by OPSICLE_TEST_SCALE.
    """
    is_narrow = page.viewport_size is not None and page.viewport_size["width"] <= NARROWEST
    first, *between, last = sorted(WIDTHS, reverse=not is_narrow)
    widths = [first, *(between if SCALE > 1 else between[::3]), last]
    theme = page.locator("html").get_attribute("data-theme")
    other: Literal["dark", "light"] = "dark" if theme == "light" else "light"

    _resize(page, first)
    assert findings(page, None, part) == [], f"{path}, {theme}, {first} pixels"
    assert set(page.evaluate(TYPE_SIZES)) <= {"12px", "14px", "16px", "22px"}
    for width in widths:
        _resize(page, width)
        assert fits(page), f"{path} at {width} pixels"

    page.emulate_media(color_scheme=other)
    expect(page.locator("html")).to_have_attribute("data-theme", other)
    found = [*findings(page, [*THEMED, *NARROW], part), *faint(page, part)]
    assert found == [], f"{path}, {other}, {last} pixels"


def _resize(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 740})
    if width == NARROWEST:
        page.wait_for_function(f"() => ({HIDDEN_TABS})().length === 0")
