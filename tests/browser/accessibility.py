"""What axe-core finds wrong with a page: by its rules for WCAG 2.2 AA, and its best practices.

It comes with a package for tests, and is never part of what is shipped.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import axe_playwright_python
from playwright.sync_api import Page

AXE = files(axe_playwright_python).joinpath("axe.min.js").read_text("utf-8")
THEMED = ["color-contrast", "link-in-text-block"]
"""Rules about colours: what a page has besides is the same in both themes."""

NARROW = ["target-size", "scrollable-region-focusable", "button-name", "link-name"]
"""Rules about what stands elsewhere on a telephone, or is left out there."""

RUN = """async ([part, rules]) => {
  const options = { resultTypes: ["violations"], preload: false };
  if (rules) options.runOnly = { type: "rule", values: rules };
  else options.rules = { "target-size": { enabled: true } };
  const { violations } = await axe.run(part, options);
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => [id, target.join(" "), failureSummary]));
}"""


def findings(page: Page, rules: list[str] | None = None, part: str = "main") -> list[Any]:
    """Return the rule, the element and what to do for each thing that is wrong with a page.

    By all rules, or by some. `part`: what is looked at, by a CSS selector.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found: list[Any] = page.evaluate(RUN, [part, rules])
    return found


def is_accessible(page: Page, part: str = "main") -> bool:
    """Return whether nothing is wrong with what a page shows now, in neither theme.

    It is light when this begins and when it ends.
    """
    found = findings(page, None, part)
    page.emulate_media(color_scheme="dark")
    found += findings(page, THEMED, part)
    page.emulate_media(color_scheme="light")
    for each in found:
        print(page.url, *each)
    return not found
