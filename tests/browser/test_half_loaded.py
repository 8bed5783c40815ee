"""What depends on data that is still loading cannot be used before it is there."""

from __future__ import annotations

import re

from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import OpenPage
from tests.support import wait_until

POLICY = """apiVersion: v1
type: ApprovalPolicy
metadata: {name: seldom}
spec:
  gates: [{name: lead, approvers: {roles: [admin]}}]
"""


def hold(page: Page, pattern: str | re.Pattern[str]) -> list[Route]:
    """Leave requests to this address unanswered; return them as they come."""
    held: list[Route] = []
    # Playwright wraps what it is given, which a bound method does not allow.
    page.route(pattern, lambda route: held.append(route))  # noqa: PLW0108
    return held


def release(page: Page, held: list[Route]) -> None:
    """Answer the first request that is held back, once it has come."""
    wait_until(lambda: page.title() and held, what="the request")
    held[0].continue_()


def expect_to_wait(page: Page, button: str) -> None:
    """Press a button twice, and expect it to be busy and to have opened nothing."""
    pressed = page.get_by_role("button", name=button)

    pressed.dblclick()

    expect(pressed).to_have_attribute("aria-busy", "true")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_what_loads_shows_its_shape_and_nothing_moves_when_it_is_there(
    open_page: OpenPage,
) -> None:
    page = open_page("/workers")
    held = hold(page, re.compile(r"/api/v1/templates(\?|$)"))
    page.get_by_role("link", name="Templates", exact=True).first.click()
    rows = page.locator("main .loading.is-rows > span:not(.unseen)")
    expect(rows).to_have_count(8)
    shape, heading = rows.first.bounding_box(), page.get_by_role("heading", level=1)
    before = heading.bounding_box()
    expect(page.locator("main .loading .unseen").first).to_have_text("Loading…")

    release(page, held)

    table = page.locator("main .list :is(.table, .rows)").first
    expect(table).to_be_visible()
    there = table.bounding_box()
    assert shape
    assert there
    assert (shape["x"], shape["y"], shape["width"]) == (there["x"], there["y"], there["width"])
    assert heading.bounding_box() == before


def test_a_form_that_needs_the_roles_waits_for_them(open_page: OpenPage) -> None:
    page = open_page("/profile")
    held = hold(page, "**/api/v1/roles*")
    page.goto("/people")

    expect_to_wait(page, "Invite a person…")
    release(page, held)

    expect(page.get_by_label("Role", exact=True)).to_have_value("member")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Invite a person…")).to_be_focused()


def test_the_form_for_a_channel_opens_once_when_its_kinds_are_there(open_page: OpenPage) -> None:
    page = open_page("/channels")
    held = hold(page, "**/api/v1/channel-kinds*")

    expect_to_wait(page, "New channel…")
    release(page, held)

    expect(page.get_by_role("dialog")).to_have_count(1)
    assert len(held) == 1


def test_a_form_whose_data_cannot_be_had_says_why(open_page: OpenPage) -> None:
    page = open_page("/channels")
    held = hold(page, "**/api/v1/channel-kinds*")

    expect_to_wait(page, "New channel…")
    wait_until(lambda: page.title() and held, what="the request")
    held[0].abort()

    expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()


def test_no_form_opens_on_the_page_that_one_has_gone_to_meanwhile(open_page: OpenPage) -> None:
    page = open_page("/channels")
    hold(page, "**/api/v1/channel-kinds*")

    expect_to_wait(page, "New channel…")
    page.get_by_role("link", name="Templates").first.click()

    expect(page.get_by_role("heading", level=1, name="Templates")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_policy_is_shown_once_when_it_is_there(open_page: OpenPage) -> None:
    page = open_page("/policies")
    made = page.evaluate(
        """async source => (await (await import("/lib/api.js")).post("/policies",
             { body: { source } })).name""",
        POLICY,
    )
    page.reload()
    held = hold(page, f"**/api/v1/policies/{made}")

    expect_to_wait(page, f"Show {made}")
    release(page, held)

    expect(page.get_by_role("dialog")).to_contain_text("seldom")
    assert len(held) == 1


def test_a_template_is_not_edited_before_its_newest_version_is_there(open_page: OpenPage) -> None:
    page = open_page("/templates")
    held = hold(page, "**/api/v1/templates/greet*")
    page.goto("/templates/greet/push")

    expect(page.get_by_label("Template (YAML)")).to_be_disabled()
    expect(page.get_by_role("button", name="Push")).to_be_disabled()
    release(page, held)

    expect(page.get_by_label("Template (YAML)")).to_be_enabled()
    assert "name: greet" in page.get_by_label("Template (YAML)").input_value()


def test_of_two_comparisons_the_one_asked_for_last_is_shown(open_page: OpenPage) -> None:
    page = open_page("/templates")
    made = page.evaluate(
        """async () => {
          const { post } = await import("/lib/api.js");
          const text = (word) => `apiVersion: v1
type: AutomationTemplate
metadata: {name: compared}
spec:
  template:
    phases: [{name: one, commands: [echo ${word}]}]
`;
          for (const word of ["first", "second", "third"])
            await post("/templates", { body: { source: text(word) } });
          return "compared";
        }"""
    )
    held = hold(page, "**/diff?from=2*")
    page.goto(f"/templates/{made}?view=versions")
    wait_until(lambda: page.title() and held, what="the first comparison")

    page.get_by_label("Compare from").select_option("1")
    expect(page.locator(".diff-side.is-removed")).to_contain_text("echo first")
    with page.expect_response("**/diff?from=2*"):
        release(page, held)

    expect(page.locator(".diff-side.is-removed")).to_contain_text("echo first")
