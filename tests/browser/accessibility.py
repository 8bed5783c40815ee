"""What axe-core finds wrong with a page: by its rules for WCAG 2.2 AA, and its best practices.

It comes with a package for tests, and is never part of what is shipped.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import axe_playwright_python
from playwright.sync_api import Page

AXE = files(axe_playwright_python).joinpath("axe.min.js").read_text("utf-8")
THEMED = ["link-in-text-block"]
"""Rules about colours besides contrast, which `FAINT` sees: all else is the same in both themes."""

NARROW = ["target-size", "scrollable-region-focusable", "button-name", "link-name"]
"""Rules about what stands elsewhere on a telephone, or is left out there."""

RUN = """async ([part, rules, isAll]) => {
  const options = { resultTypes: ["violations"], preload: false };
  if (rules) options.runOnly = { type: "rule", values: rules };
  else options.rules = {
    "target-size": { enabled: true },
    "color-contrast": { enabled: isAll },
  };
  const { violations } = await axe.run(part, options);
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => [id, target.join(" "), failureSummary]));
}"""

FAINT = """(part) => {
  const WHITE = [255, 255, 255];
  const pixel = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const read = (text) => {
    if (!known.has(text)) {
      pixel.clearRect(0, 0, 1, 1);
      pixel.fillStyle = text;
      pixel.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = pixel.getImageData(0, 0, 1, 1).data;
      known.set(text, { rgb: [r, g, b], alpha: a / 255 });
    }
    return known.get(text);
  };
  const over = ({ rgb, alpha }, below) => rgb.map((x, i) => x * alpha + below[i] * (1 - alpha));
  const grounds = new Map();
  const groundOf = (each) => {
    if (!each) return WHITE;
    if (!grounds.has(each)) {
      const { backgroundColor, backgroundImage } = getComputedStyle(each);
      const isOpaque = read(backgroundColor).alpha === 1;
      const below = isOpaque ? WHITE : groundOf(each.parentElement);
      const isPicture = backgroundImage !== "none";
      grounds.set(each, isPicture || !below ? null : over(read(backgroundColor), below));
    }
    return grounds.get(each);
  };
  const light = (rgb) => rgb.map((x) => x / 255)
    .map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4))
    .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
  const root = document.querySelector(part);
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const seen = new Set(root.querySelectorAll("input, select, textarea"));
  while (walker.nextNode())
    if (walker.currentNode.data.trim()) seen.add(walker.currentNode.parentElement);
  const faint = [];
  for (const own of seen) {
    if (!own.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    if (own.closest(":disabled, [aria-disabled=true], label:has(:disabled), option, .unseen"))
      continue;
    const { color, fontSize, fontWeight } = getComputedStyle(own);
    const ground = groundOf(own);
    if (!ground) continue;
    let { rgb, alpha } = read(color);
    for (let each = own; each; each = each.parentElement) alpha *= getComputedStyle(each).opacity;
    const [less, more] = [light(over({ rgb, alpha }, ground)), light(ground)]
      .toSorted((a, b) => a - b);
    const size = parseFloat(fontSize);
    const least = size >= 24 || (size >= 18.66 && fontWeight >= 700) ? 3 : 4.5;
    const ratio = (more + 0.05) / (less + 0.05);
    const shown = own.outerHTML.slice(0, 160);
    if (ratio < least) faint.push(`${ratio.toFixed(2)} in place of ${least}: ${shown}`);
  }
  return faint;
}"""
"""Texts whose colour, on what their ancestors lay below them, is too near to that. Left out are
those on pictures, and what is disabled, as axe-core does."""


def findings(page: Page, rules: list[str] | None = None, part: str = "main") -> list[Any]:
    """Return the rule, the element and what to do for each thing that is wrong with a page.

    By all rules, or by some. `part`: what is looked at, by a CSS selector.
    """
    return _run(page, part, rules, is_all=True)


def flaws(page: Page, part: str = "main") -> list[Any]:
    """Return what is wrong by all rules, where contrast is seen by `faint`: a third of the work."""
    return [*_run(page, part, None, is_all=False), *faint(page, part)]


def _run(page: Page, part: str, rules: list[str] | None, *, is_all: bool) -> list[Any]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found: list[Any] = page.evaluate(RUN, [part, rules, is_all])
    return found


def faint(page: Page, part: str = "main") -> list[str]:
    """Return the texts with too little contrast to their ancestors' ground, by WCAG 2.2, 1.4.3.

    axe-core's rule for it also finds out what else lies below a text, and takes most of its time
    for that: the walk through all pages has it do so once for each.
    """
    found: list[str] = page.evaluate(FAINT, part)
    return found


def is_accessible(page: Page, part: str = "main") -> bool:
    """Return whether nothing is wrong with what a page shows now, in neither theme.

    It is light when this begins and when it ends.
    """
    found = flaws(page, part)
    page.emulate_media(color_scheme="dark")
    found += [*findings(page, THEMED, part), *faint(page, part)]
    page.emulate_media(color_scheme="light")
    for each in found:
        print(page.url, each)
    return not found
