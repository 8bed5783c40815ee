"""What a person has set in their system or browser: zoom, motion, colours of their own."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.reading import has_no_horizontal_scroll

ZOOMED = {"200 %": (640, 512), "400 %": (320, 256)}
"""What is left of a window of 1280 by 1024 pixels (WCAG 2.2, 1.4.10)."""

FREE = """() => {
  const covered = [...document.querySelectorAll("body *")]
    .filter((each) => ["fixed", "sticky"].includes(getComputedStyle(each).position))
    .map((each) => each.getBoundingClientRect())
    .filter(({ width }) => width > innerWidth / 2)
    .map(({ top, bottom }) => Math.max(0, Math.min(bottom, innerHeight) - Math.max(top, 0)));
  return 1 - covered.reduce((sum, height) => sum + height, 0) / innerHeight;
}"""
"""Which share of the window's height nothing lies upon."""

MOVING = """() => [...document.querySelectorAll("*")].flatMap((each) => {
  const { animationName, animationDuration, transitionDuration, scrollBehavior } =
    getComputedStyle(each);
  const seconds = (text) => Math.max(...text.split(",").map(parseFloat));
  const isMoving = (animationName !== "none" && seconds(animationDuration) > 0.01)
    || seconds(transitionDuration) > 0.01 || scrollBehavior === "smooth";
  return isMoving ? [each.outerHTML.slice(0, 120)] : [];
})"""
UNMARKED = """() => [
  ...document.querySelectorAll("main :is(button, .button, input, select, textarea, .card, .table)"),
]
  .filter((each) => each.checkVisibility() && !each.closest(".rows, summary"))
  .filter((each) => !["checkbox", "radio"].includes(each.type))
  .filter((each) => {
    const { borderTopStyle, borderTopWidth } = getComputedStyle(each);
    return borderTopStyle === "none" || parseFloat(borderTopWidth) === 0;
  })
  .filter((each) => !each.closest("table") || each.matches("table"))
  .map((each) => each.outerHTML.slice(0, 160))"""
"""Surfaces, and what one can press or fill in, whose edges are not to be seen where all have one
colour."""

CHOSEN = ":is(.tab, .chip):is([aria-selected=true], [aria-pressed=true], [aria-current=page])"
LOOKS = """(chosen) => {
  const look = (each) => {
    const { backgroundColor, borderTopColor, borderBottomColor, outlineStyle } =
      getComputedStyle(each);
    return [backgroundColor, borderTopColor, borderBottomColor, outlineStyle].join(" ");
  };
  const all = [...document.querySelectorAll("main :is(.tab, .chip)")];
  return {
    chosen: all.filter((each) => each.matches(chosen)).map(look),
    others: all.filter((each) => !each.matches(chosen)).map(look),
  };
}"""
"""Of tabs and chips, what one sees besides the weight of their letters."""


@pytest.mark.parametrize("path", ["/workers", "/templates/greet/run", "/audit"])
def test_a_page_can_be_read_at_400_percent_and_in_forced_colours(
    open_page: OpenPage, path: str
) -> None:
    page = open_page(path)
    expect(page.locator("main .loading")).to_have_count(0)
    page.emulate_media(forced_colors="active")

    assert page.evaluate(UNMARKED) == []
    for zoom, (width, height) in ZOOMED.items():
        page.set_viewport_size({"width": width, "height": height})
        assert has_no_horizontal_scroll(page), zoom
        assert page.evaluate(FREE) > 0.5, zoom


def test_what_is_chosen_is_told_apart_in_forced_colours(open_page: OpenPage) -> None:
    page = open_page("/templates/greet")
    page.emulate_media(forced_colors="active")
    for path in ("/templates/greet", "/approvals", "/audit"):
        page.goto(path)
        page.locator("main").locator(CHOSEN).first.wait_for()
        looks = page.evaluate(LOOKS, CHOSEN)
        assert looks["chosen"], path
        assert not set(looks["chosen"]) & set(looks["others"]), f"{path}: {looks}"


def test_nothing_moves_for_whoever_does_not_want_it_to(open_page: OpenPage) -> None:
    page = open_page("/templates")
    page.emulate_media(reduced_motion="no-preference")
    page.route("**/api/v1/workers*", lambda _route: None)  # and so it goes on loading
    page.get_by_role("link", name="Workers").first.click()
    page.locator("main .loading").first.wait_for(state="attached")
    assert page.evaluate(MOVING) != []

    page.emulate_media(reduced_motion="reduce")

    assert page.evaluate(MOVING) == []
