"""From when to when: the same choice on every page that has one, taken along from page to page."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Locator, Page, Request, expect

from tests.browser.accessibility import is_accessible
from tests.browser.conftest import OpenPage
from tests.browser.layout import fits_every_width_in_both_themes
from tests.product import Installation

HOUR_SECONDS = 3_600


def seconds_ago(request: Request) -> float:
    """Return how long before now the `since` is that was asked for."""
    [since] = parse_qs(urlsplit(request.url).query)["since"]
    return (datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds()


def test_a_span_is_asked_for_and_goes_along_to_other_pages(
    open_page: OpenPage, installation: Installation
) -> None:
    page = open_page("/automations")
    with page.expect_request(re.compile(r"/automations\?.*since=")) as asked:
        when(page).select_option(label="last 24 hours")
    assert 0 < seconds_ago(asked.value) - 24 * HOUR_SECONDS < HOUR_SECONDS
    assert page.url.endswith("/automations?since=24h")

    page.get_by_role("link", name="Search the logs", exact=True).click()
    expect(when(page)).to_have_value("24h")
    assert page.url.endswith("/logs?since=24h")
    expect(page.get_by_role("heading", name="What do you look for?", exact=True)).to_be_visible()
    when(page).select_option(label="from … to …")
    page.get_by_label("Since", exact=True).fill("2026-01-02T00:00")
    page.get_by_label("Before", exact=True).fill("2026-01-02T09:30")
    page.wait_for_url("**/logs?since=2026-01-02&until=2026-01-02T09%3A30")
    assert is_accessible(page)

    page.locator(".crumbs").get_by_role("link").click()
    expect(page.get_by_label("Before", exact=True)).to_have_value("2026-01-02T09:30")
    expect(page.get_by_role("heading", name="No automation fits", exact=True)).to_be_visible()
    fits_every_width_in_both_themes(page, "/automations, own span")


def test_the_history_of_a_template_is_of_a_span_too(
    open_page: OpenPage, installation: Installation
) -> None:
    installation.admin.cli("run", "greet", "--var", "who=Ada", "--var", "sure=true", "--follow")
    page = open_page("/templates/greet?view=history&until=2026-01-02")
    expect(page.get_by_text("No run within this time", exact=True)).to_be_visible()

    when(page).select_option(label="last hour")

    expect(page.get_by_role("table", name="Newest runs", exact=True)).to_be_visible()
    page.get_by_role("link", name="All runs", exact=True).click()
    page.wait_for_url("**/automations?template=greet&since=1h")
    expect(page.get_by_role("row", name="greet").first).to_be_visible()


def test_what_is_no_time_in_an_address_is_said_and_breaks_no_page(
    open_page: OpenPage, installation: Installation
) -> None:
    page = open_page("/automations?since=2026-13-45")
    error = page.get_by_role("paragraph").filter(has_text="is no time, such as")
    expect(error).to_be_visible()

    when(page).select_option(label="last 30 days")

    expect(error).to_have_count(0)
    page.goto(page.url.replace("since=30d", "until=%2B275760-09-13T00:00:00Z"))
    expect(when(page)).to_have_value("own")
    expect(error).to_be_visible()


def when(page: Page) -> Locator:
    return page.get_by_label("When", exact=True)
