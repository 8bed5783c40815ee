"""What a person has set in their system or browser: zoom, motion, colours of their own."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.accessibility import flaws
from tests.browser.conftest import OpenPage
from tests.browser.page_table import PAGE_TABLE
from tests.browser.reading import has_no_horizontal_scroll
from tests.product import Installation

WALKED = [
    *(entry.path for entry in PAGE_TABLE if entry.group != "open" and ":" not in entry.path),
    *(
        f"/templates/greet{rest}"
        for rest in ("", "?view=source", "?view=versions", "/run", "/push")
    ),
    "/workers/edge",
]

ZOOMED = {"200 %": (640, 512), "400 %": (320, 256)}
"""What is left of a window of 1280 by 1024 pixels (WCAG 2.2, 1.4.10)."""

HALVED = ("/workers", "/templates/greet/run", "/audit")
"""Which pages are seen at 200 % too; all are at 400 %, which asks more of a page."""

FREE = """() => {
  const covered = [...document.querySelectorAll("body *")]
    .filter((each) => ["fixed", "sticky"].includes(getComputedStyle(each).position))
    .map((each) => each.getBoundingClientRect())
    .filter(({ width }) => width > innerWidth / 2)
    .map(({ top, bottom }) => Math.max(0, Math.min(bottom, innerHeight) - Math.max(top, 0)));
  return 1 - covered.reduce((sum, height) => sum + height, 0) / innerHeight;
}"""
"""Which share of the window's height nothing lies upon."""

SMALL_FIELDS = """() => [...document.querySelectorAll("input, select, textarea")]
  .filter((each) => each.checkVisibility() && !each.closest(".unseen"))
  .filter((each) => !/^(checkbox|radio|file|date|datetime-local)$/.test(each.type))
  .filter((each) => parseFloat(getComputedStyle(each).fontSize) < 16)
  .map((each) => each.outerHTML.slice(0, 160))"""
"""Fields at which iOS enlarges the page around them; dates are chosen from a calendar."""

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
  .filter((each) => each.checkVisibility() && !each.closest(".rows, summary, .unseen"))
  .filter((each) => !["checkbox", "radio"].includes(each.type))
  .filter((each) => !each.matches("[role=tab], .step-line, .log-fold, .editor > * > *"))
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

CUT = """() => [...document.querySelectorAll("main *")].filter((each) => {
  if (![...each.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim()))
    return false;
  const unread = ".unseen, :is(.is-short, .log-bar > .button) > span, option, textarea";
  if (!each.checkVisibility() || each.closest(unread))
    return false;
  const { overflowX, overflowY, textOverflow, webkitLineClamp } = getComputedStyle(each);
  const isCut = ({ overflow, inner, outer }) =>
    ["hidden", "clip"].includes(overflow) && inner > outer + 1;
  const { scrollWidth, clientWidth, scrollHeight, clientHeight } = each;
  return isCut({ overflow: overflowX, inner: scrollWidth, outer: clientWidth })
      && textOverflow !== "ellipsis"
    || isCut({ overflow: overflowY, inner: scrollHeight, outer: clientHeight })
      && webkitLineClamp === "none" && textOverflow !== "ellipsis";
}).map((each) => each.outerHTML.slice(0, 160))"""
"""Texts of which a part is missing without a sign of that."""

LOST = """() => {
  const controls = "main :is(a, button, input, select, textarea, summary, [tabindex='0'])";
  const isMarked = (style) =>
    style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
  return [...document.querySelectorAll(controls)]
    .filter((each) => each.checkVisibility() && each.tabIndex >= 0 && !each.matches(":disabled"))
    .filter((each) => {
      each.focus({ focusVisible: true });
      const around = each.closest("label, .choice, .editor");
      const looks = [each, around, each.parentElement].filter(Boolean)
        .flatMap((one) => [getComputedStyle(one), getComputedStyle(one, "::after")]);
      if (!looks.some(isMarked)) return true;
      const { left, right, top, bottom } =
        (each.closest(".editor") ?? each).getBoundingClientRect();
      const heights = [top + 2, (top + bottom) / 2, bottom - 2];
      return !heights.some((y) => {
        const above = document.elementFromPoint((left + right) / 2, y);
        return above && (each.contains(above) || [around, each.parentElement].includes(above));
      });
    })
    .map((each) => each.outerHTML.slice(0, 160));
}"""
"""What shows no focus, or lies beneath something else when it has it (WCAG 2.2, 2.4.7, 2.4.11)."""

SIGNLESS = """() => [...document.querySelectorAll("main :is(.state, .state-dot) svg")]
  .filter((each) => each.checkVisibility())
  .filter((each) => {
    const ground = getComputedStyle(document.documentElement).backgroundColor;
    const drawn = [each, ...each.querySelectorAll("*")].map((part) => getComputedStyle(part));
    return drawn.every(({ stroke, fill }) =>
      ["none", ground].includes(stroke) && ["none", ground].includes(fill));
  })
  .map((each) => each.outerHTML.slice(0, 160))"""
"""Signs of states that have the colour of the ground."""

OPENERS = """() => [...new Set([...document.querySelectorAll("main button")]
  .filter((each) => !each.disabled)
  .map((each) => each.textContent.trim())
  .filter((text) => text.endsWith("…")))]"""
"""What buttons say that lead to a dialog, those in menus too."""

PRESS = """(text) => [...document.querySelectorAll("main button")]
  .find((each) => !each.disabled && each.textContent.trim() === text).click()"""
WIDER = "() => document.querySelector('dialog').scrollWidth > innerWidth"

ASKED = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: asks-in-settings}
spec:
  approvalPolicy:
    spec: {gates: [{name: anyone, approvers: {roles: [admin]}, allowRequester: true}]}
  template: {phases: [{name: act, commands: ["true"]}]}
"""
SELF_OPENING = {"Open a file…"}
"""What leads to a dialog of the browser's own."""

OPENED = """async (path) => {
  const { navigate } = await import("/lib/router.js");
  navigate(path);
}"""


def test_every_page_can_be_read_at_400_percent_and_in_forced_colours(
    open_page: OpenPage, installation: Installation
) -> None:
    """Go from page to page in one window, as a load of each is what costs most."""
    page = open_page("/templates")
    page.emulate_media(forced_colors="active", reduced_motion="reduce")
    seen: set[str] = set()
    asked, pages_by_id = _pages_by_id(installation)
    for path in [*WALKED, *pages_by_id]:
        heading = page.locator("h1").element_handle()
        page.evaluate(OPENED, path)
        page.wait_for_function("(old) => !old.isConnected", arg=heading)
        expect(page.get_by_role("heading", level=1), path).to_have_count(1)
        expect(page.locator("main .loading"), path).to_have_count(0)

        assert page.evaluate(UNMARKED) == [], path
        assert page.evaluate(SIGNLESS) == [], path
        for zoom, (width, height) in ZOOMED.items():
            if zoom == "200 %" and path not in HALVED:
                continue
            page.set_viewport_size({"width": width, "height": height})
            assert has_no_horizontal_scroll(page), f"{path} at {zoom}"
            assert page.evaluate(FREE) > 0.5, f"{path} at {zoom}"
            assert page.evaluate(CUT) == [], f"{path} at {zoom}"
        assert page.evaluate(LOST) == [], path
        assert _small_fields(page) == [], path
        for opener in page.evaluate(OPENERS):
            if opener not in seen | SELF_OPENING:
                seen.add(opener)
                _look_into_dialog(page, opener, f"{path}, {opener}")
    assert {"Add a worker…", "New secret…", "Approve…", "Run again…", "Quotas…"} <= seen
    installation.admin.cli("automations", "cancel", asked)  # other tests count what waits


def _pages_by_id(installation: Installation) -> tuple[str, list[str]]:
    """Return the automation of an approval; the addresses of that, and of one that has ended.

    The latter by its tabs.
    """
    installation.push(ASKED)
    asked = installation.admin.json("run", "asks-in-settings")
    run = installation.admin.json(
        "run", "greet", "--var", "who=Zoe", "--var", "sure=yes", "--follow"
    )
    (approval,) = (
        each["id"]
        for each in installation.admin.json("approvals", "list")
        if each["automation_id"] == asked["id"]
    )
    tabs = ("", "?view=timeline", "?view=data", "?view=compare", "?view=trail")
    ended = [f"/automations/{run['id']}{tab}" for tab in tabs]
    return asked["id"], [*ended, f"/approvals/{approval}"]


def _small_fields(page: Page) -> list[str]:
    """Return the fields that are too small where one types with a finger."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    assert page.evaluate("matchMedia('(pointer: coarse)').matches")
    found: list[str] = page.evaluate(SMALL_FIELDS)
    devtools.send("Emulation.setTouchEmulationEnabled", {"enabled": False})
    devtools.detach()
    return found


def _look_into_dialog(page: Page, opener: str, place: str) -> None:
    """Open a dialog, see that all of it can be read and reached, and close it."""
    page.evaluate(PRESS, opener)
    dialog = page.locator("dialog[open]")
    dialog.wait_for()
    assert not page.evaluate(WIDER), place
    assert _small_fields(page) == [], place
    for script in (UNMARKED, CUT, LOST):
        assert page.evaluate(script.replace("main ", "dialog ")) == [], place
    page.emulate_media(forced_colors="none")  # by which axe-core would take contrasts wrongly
    assert flaws(page, "dialog") == [], place
    page.emulate_media(forced_colors="active")
    page.keyboard.press("Escape")
    expect(dialog, place).to_have_count(0)


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
