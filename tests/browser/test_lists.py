"""The one component that every list is.

Pages, filters, what changes meanwhile, failure, and nothing at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import OpenPage
from tests.browser.reading import choose
from tests.product import Installation
from tests.support import wait_until
from tests.thin_api import Api

MANY = 60
"""More than the server gives at once unless it is asked for more."""


@pytest.fixture(scope="module")
def many_secrets(installation: Installation) -> Iterator[int]:
    """How many secrets there are, at the least."""
    access = installation.access()
    with Api(access) as api:
        for number in range(MANY):
            api.request(
                "POST", "/api/v1/secrets", {"name": f"many-{number:03}", "value": "correct horse"}
            )
    yield MANY
    with Api(access) as api:
        for secret in api.json("GET", "/api/v1/secrets?limit=200")["items"]:
            api.request("DELETE", f"/api/v1/secrets/{secret['name']}")


def greeted(installation: Installation) -> None:
    installation.admin.cli("run", "greet", "--var", "who=Ada", "--var", "sure=true", "--follow")


def rows(page: Page) -> int:
    return page.locator("main tbody tr").count()


LABELLED = """apiVersion: v1
type: AutomationTemplate
metadata: {name: %s, labels: {tier: gold, site: %s}}
spec: {template: {phases: [{name: act, commands: ["true"]}]}}
"""


def test_templates_are_chosen_by_label_and_ones_favourites_come_first(
    open_page: OpenPage, installation: Installation
) -> None:
    for name, site in (("labelled-a", "x"), ("labelled-b", "y")):
        installation.push(LABELLED % (name, site))
    page = open_page("/templates")
    names = page.locator("main tbody tr strong")

    page.get_by_role("button", name="tier=gold").click()
    expect(names).to_have_text(["labelled-a", "labelled-b"])
    star = page.get_by_role("button", name="Favourite: labelled-b")
    star.press("Enter")
    expect(names).to_have_text(["labelled-b", "labelled-a"])
    expect(star).to_be_focused()
    page.get_by_role("button", name="site=y").click()
    expect(names).to_have_text(["labelled-b"])

    page.goto(page.url.replace("site%3Dy", "site%3Dx"))  # a link that somebody has sent
    expect(names).to_have_text(["labelled-a"])
    page.get_by_role("button", name="site=x").click()
    page.get_by_role("button", name="Favourites", exact=True).click()
    expect(names).to_have_text(["labelled-b"])
    page.reload()
    expect(names).to_have_text(["labelled-b"])
    page.get_by_role("button", name="Favourite: labelled-b").click()
    expect(page.get_by_text("No template fits")).to_be_visible()


def test_further_items_are_shown_as_they_are_asked_for(
    open_page: OpenPage, many_secrets: int
) -> None:
    page = open_page("/secrets")
    expect(page.locator("main tbody tr")).to_have_count(50)

    page.get_by_role("button", name="Show more").press("Enter")

    expect(page.get_by_role("row", name=re.compile(f"many-{many_secrets - 1:03}"))).to_be_visible()
    # Where who reads with the keyboard goes on.
    expect(page.locator("main tbody tr").nth(50)).to_be_focused()
    expect(page.get_by_role("button", name="Show more")).to_be_hidden()
    names = page.locator("main tbody tr strong").all_inner_texts()
    assert len(names) == len(set(names)) >= many_secrets


def test_who_comes_back_finds_what_was_shown_where_it_was(
    open_page: OpenPage, many_secrets: int
) -> None:
    page = open_page("/secrets")
    page.get_by_role("button", name="Show more").click()
    last = page.get_by_role("row", name=re.compile(f"many-{many_secrets - 1:03}"))
    last.scroll_into_view_if_needed()
    page.wait_for_function("() => history.state?.scroll === Math.round(scrollY) && scrollY > 0")
    before = page.evaluate("scrollY")

    page.get_by_role("link", name="Audit").click()
    page.get_by_role("heading", level=1, name="Audit").wait_for()
    assert page.evaluate("scrollY") == 0
    page.go_back()

    expect(last).to_be_in_viewport()
    page.wait_for_function("wanted => Math.abs(scrollY - wanted) <= 1", arg=before)


def test_a_row_is_one_line_and_leads_to_its_item_wherever_it_is_pressed(
    open_page: OpenPage,
) -> None:
    page = open_page("/templates", width=1440)
    row = page.get_by_role("row", name=re.compile("Greet somebody"))
    expect(row).to_be_visible()
    heights = page.locator(".template-rows tbody tr").evaluate_all(
        "rows => [...new Set(rows.map((row) => Math.round(row.getBoundingClientRect().height)))]"
    )
    assert heights == [41]  # 40, and the gap to the row above

    box = row.bounding_box()
    assert box is not None
    row.click(position={"x": box["width"] * 0.4, "y": 4})

    page.wait_for_url("**/templates/greet")


def test_the_actions_of_a_row_are_reached_by_keyboard_and_give_the_focus_back(
    open_page: OpenPage, many_secrets: int
) -> None:
    page = open_page("/secrets")
    more = page.get_by_role("button", name="More for many-001", exact=True)

    more.press("Enter")
    expect(page.get_by_role("button", name="New value of many-001")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="Delete many-001")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Back").click()

    expect(more).to_be_focused()
    expect(page.get_by_role("button", name="Delete many-001")).to_be_hidden()


def test_on_a_telephone_a_row_is_a_card_with_buttons_for_a_thumb(open_page: OpenPage) -> None:
    page = open_page("/templates", width=360)
    button = page.get_by_role("link", name="Run Greet somebody").bounding_box()
    row = page.get_by_role("row", name=re.compile("Greet somebody")).bounding_box()

    assert button is not None
    assert row is not None
    assert min(button["width"], button["height"]) >= 48
    assert row["height"] <= 48 + 20 + 48, "more than a line between two with buttons"


def test_what_was_asked_for_stays_when_the_list_is_loaded_anew(
    open_page: OpenPage, many_secrets: int
) -> None:
    page = open_page("/secrets")
    page.get_by_role("button", name="Show more").click()
    last = page.get_by_role("row", name=re.compile(f"many-{many_secrets - 1:03}"))
    last.wait_for()
    before = rows(page)

    choose(page, "many-000", "Delete many-000")
    page.get_by_role("button", name="Delete the secret").click()

    expect(page.locator("main tbody tr")).to_have_count(before - 1)
    expect(last).to_be_visible()


@pytest.mark.usefixtures("many_secrets")
def test_a_link_leads_to_an_item_of_a_further_page_and_the_search_to_a_person(
    open_page: OpenPage,
) -> None:
    page = open_page(f"/secrets?show=many-{MANY - 1:03}")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"many-{MANY - 1:03}")
    expect(page.locator("main tbody tr").filter(has_text=f"many-{MANY - 1:03}")).to_have_count(0)

    page.goto("/secrets?show=never-made")
    expect(dialog.get_by_role("alert")).to_contain_text("never-made")

    page.goto("/audit?show=1")
    expect(dialog).to_contain_text("As it stands in the record")
    dialog.get_by_role("button", name="Close", exact=True).click()
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Find or do").fill("alice@example.com")
    page.get_by_role("option").filter(has_text="alice@example.com · admin").click()
    expect(dialog.get_by_role("heading")).to_have_text("alice@example.com")
    assert page.url.endswith("/people?show=alice%40example.com")


def test_a_list_that_cannot_be_loaded_says_so_and_is_tried_again(open_page: OpenPage) -> None:
    page = open_page("/login", is_known=True)
    page.get_by_role("heading", level=1, name="Home").wait_for()
    page.route("**/api/v1/policies*", lambda route: route.abort())

    page.goto("/policies")

    expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
    expect(page.locator("main .loading")).to_have_count(0)
    page.unroute("**/api/v1/policies*")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator("main .list table, main .list .empty")).to_have_count(1)


def test_a_filter_that_the_server_refuses_leaves_nothing_of_what_was_shown_before(
    open_page: OpenPage, installation: Installation
) -> None:
    greeted(installation)
    page = open_page("/automations")
    page.locator(".automation-rows tbody tr").first.wait_for()
    search = page.get_by_label("Template, by its whole name")

    search.fill("no-such-template")

    expect(page.get_by_role("alert")).to_contain_text("no-such-template")
    expect(page.locator(".automation-rows tbody tr")).to_have_count(0)
    expect(page.locator("main .loading")).to_have_count(0)
    # It would be refused again.
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    search.fill("greet")
    expect(page.locator(".automation-rows tbody tr").first).to_contain_text("greet")
    expect(page.get_by_role("alert")).to_have_count(0)
    assert page.url.endswith("/automations?template=greet")


def test_filters_are_in_the_address_and_taken_up_from_there(open_page: OpenPage) -> None:
    page = open_page("/automations?state=unknown")
    expect(page.get_by_label("another state", exact=True)).to_have_value("unknown")
    expect(page.get_by_role("heading", name="No automation fits")).to_be_visible()

    page.get_by_role("button", name="all", exact=True).click()

    expect(page.get_by_role("heading", name="No automation fits")).to_have_count(0)
    assert page.url.endswith("/automations")
    page.goto("/audit?verb=login")
    expect(page.get_by_label("Did")).to_have_value("login")
    page.locator("main tbody tr").first.wait_for()
    assert set(page.locator("main tbody td:nth-child(3)").all_inner_texts()) == {"login"}


def test_an_answer_to_an_earlier_filter_is_not_shown(
    open_page: OpenPage, installation: Installation
) -> None:
    greeted(installation)
    page = open_page("/automations")
    page.locator("main .list").wait_for()
    held: list[Route] = []

    def hold(route: Route) -> None:  # Playwright looks into a handler's Python code
        held.append(route)

    page.route("**/api/v1/automations?state=*", hold)
    page.get_by_label("another state", exact=True).select_option("unknown")
    wait_until(lambda: page.title() and len(held) == 1, what="the first request")
    page.get_by_role("button", name="succeeded").click()

    held[0].fulfill(json={"items": [], "next_cursor": ""})

    wait_until(lambda: page.title() and len(held) == 2, what="the request after that answer")
    assert page.get_by_role("heading", name="No automation fits").count() == 0
    held[1].continue_()
    expect(page.locator(".automation-rows tbody tr").first).to_contain_text("succeeded")
    assert page.url.endswith("/automations?state=succeeded")
