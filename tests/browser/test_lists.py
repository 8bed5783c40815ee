"""The one component that every list is.

Pages, filters, what changes meanwhile, failure, and nothing at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import OpenPage
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


def test_what_was_asked_for_stays_when_the_list_is_loaded_anew(
    open_page: OpenPage, many_secrets: int
) -> None:
    page = open_page("/secrets")
    page.get_by_role("button", name="Show more").click()
    last = page.get_by_role("row", name=re.compile(f"many-{many_secrets - 1:03}"))
    last.wait_for()
    before = rows(page)

    page.get_by_role("button", name="Delete many-000").click()
    page.get_by_role("button", name="Delete the secret").click()

    expect(page.locator("main tbody tr")).to_have_count(before - 1)
    expect(last).to_be_visible()


def test_a_list_that_cannot_be_loaded_says_so_and_is_tried_again(open_page: OpenPage) -> None:
    page = open_page("/login", is_known=True)
    page.get_by_role("heading", name="Templates", exact=True).wait_for()
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
    page.locator(".automation-rows .row").first.wait_for()
    search = page.get_by_label("Template, by its whole name")

    search.fill("no-such-template")

    expect(page.get_by_role("alert")).to_contain_text("no-such-template")
    expect(page.locator(".automation-rows .row")).to_have_count(0)
    expect(page.locator("main .loading")).to_have_count(0)
    # It would be refused again.
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    search.fill("greet")
    expect(page.locator(".automation-rows .row").first).to_contain_text("greet")
    expect(page.get_by_role("alert")).to_have_count(0)
    assert page.url.endswith("/automations?template=greet")


def test_filters_are_in_the_address_and_taken_up_from_there(open_page: OpenPage) -> None:
    page = open_page("/automations?state=unknown")
    expect(page.get_by_role("button", name="unknown")).to_have_attribute("aria-pressed", "true")
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
    page.get_by_role("button", name="unknown").click()
    wait_until(lambda: page.title() and len(held) == 1, what="the first request")
    page.get_by_role("button", name="succeeded").click()

    held[0].fulfill(json={"items": [], "next_cursor": ""})

    wait_until(lambda: page.title() and len(held) == 2, what="the request after that answer")
    assert page.get_by_role("heading", name="No automation fits").count() == 0
    held[1].continue_()
    expect(page.locator(".automation-rows .row").first).to_contain_text("succeeded")
    assert page.url.endswith("/automations?state=succeeded")
