"""How much a browser fetches before a page is there, and what it shows if it cannot."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.main_thread import MainThread
from tests.browser.test_half_loaded import hold, release
from tests.product import Installation

MOST_REQUESTS = 30
MOST_BYTES = 110_000
"""With what the API says of an org in which little has happened, which is left out here."""
API_BYTES = 12_000
FETCHED_LATER = {"log-excerpts.js", "linebuffer.js", "log-channel.js", "ansi.js"}
"""What reads logs for the failing lines on Home, which is drawn before."""
SLOWER = 4
MOST_REQUESTS_AGAIN = 3
"""Besides those to the API, whose answers are never kept."""


FAILS = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: fails}
spec: {template: {phases: [{name: only, commands: ["echo no such host >&2; exit 1"]}]}}
"""


class Traffic:
    """What a page has fetched over the network, and not from what the browser had kept."""

    def __init__(self, page: Page) -> None:
        self._urls: dict[str, str] = {}
        self._kept: set[str] = set()
        self.bytes_of_files = 0
        network = page.context.new_cdp_session(page)
        network.on("Network.requestWillBeSent", self._on_request)
        network.on("Network.requestServedFromCache", self._on_kept)
        network.on("Network.responseReceived", self._on_response)
        network.on("Network.loadingFinished", self._on_end)
        network.send("Network.enable")

    @property
    def addresses(self) -> list[str]:
        """The addresses, as often as they were asked for."""
        return [urlsplit(url).path for id_, url in self._urls.items() if id_ not in self._kept]

    @property
    def files(self) -> list[str]:
        """Those of `addresses` that are none of the API's, and not fetched once all is drawn.

        Of these the first load may have had some or none when its page was closed.
        """
        return [path for path in self.addresses if _is_drawn_with(path)]

    @property
    def until_drawn(self) -> list[str]:
        """Those of `addresses` that the page waits for.

        Failing lines come later: one request each mostly, and 30 in all with four of them.
        """
        return [
            path
            for path in self.addresses
            if not path.endswith("/log/lines") and path.rpartition("/")[2] not in FETCHED_LATER
        ]

    def _on_request(self, event: dict[str, Any]) -> None:
        if event["request"]["url"].startswith("https:"):
            self._urls[event["requestId"]] = event["request"]["url"]

    def _on_kept(self, event: dict[str, Any]) -> None:
        self._kept.add(event["requestId"])

    def _on_response(self, event: dict[str, Any]) -> None:
        if event["response"]["fromDiskCache"]:
            self._kept.add(event["requestId"])

    def _on_end(self, event: dict[str, Any]) -> None:
        path = urlsplit(self._urls.get(event["requestId"], "")).path
        if _is_drawn_with(path):
            self.bytes_of_files += int(event["encodedDataLength"])


def _is_drawn_with(path: str) -> bool:
    return "/api/" not in path and path.rpartition("/")[2] not in FETCHED_LATER


def test_a_first_load_is_small_and_a_second_one_fetches_next_to_nothing(
    browser: Browser, installation: Installation, session: Path
) -> None:
    context = browser.new_context(base_url=installation.server.url, storage_state=session)
    page = context.new_page()

    first = open_home(page)
    page.close()
    second = open_home(context.new_page())
    context.close()

    assert "/" in first.files
    assert len(first.until_drawn) <= MOST_REQUESTS, first.addresses
    assert first.bytes_of_files <= MOST_BYTES - API_BYTES
    assert "/" in second.files
    assert len(second.files) <= MOST_REQUESTS_AGAIN, second.files


def test_home_is_there_within_a_second_on_a_computer_four_times_as_slow(
    browser: Browser, installation: Installation, session: Path
) -> None:
    """By what its main thread works until all is drawn; the way to the server comes on top."""
    context = browser.new_context(base_url=installation.server.url, storage_state=session)
    page = context.new_page()
    page.goto("/healthz")  # and so no line of the application has been compiled yet
    thread = MainThread(page)

    open_home(page)

    assert 10 < thread.worked_ms < 1000 / SLOWER
    context.close()


def test_home_does_not_wait_for_what_reads_logs(
    open_page: OpenPage, installation: Installation
) -> None:
    installation.push(FAILS)
    installation.admin.attempt("run", "fails", "--follow")
    page = open_page("/templates")
    held = hold(page, "**/lib/log-excerpts.js")

    page.get_by_role("link", name="Home").first.click()

    row = page.get_by_role("list", name="Waits for you").get_by_role(
        "link", name=re.compile("^failed fails Your")
    )
    expect(page.locator("main .loading")).to_have_count(0)
    expect(row).to_contain_text("…")
    release(page, held)
    expect(row).to_contain_text("no such host")


def open_home(page: Page) -> Traffic:
    traffic = Traffic(page)
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_have_text(["Home"])
    expect(page.locator("main .loading")).to_have_count(0)
    return traffic


def test_a_page_that_cannot_be_loaded_says_so_and_is_loaded_again(open_page: OpenPage) -> None:
    page = open_page("/templates")
    page.route("**/pages/workers.js", lambda route: route.fulfill(status=404, body="gone"))

    page.get_by_role("link", name="Workers").first.click()

    heading = page.get_by_role("heading", level=1)
    expect(page.get_by_role("alert")).to_contain_text("This page could not be loaded")
    expect(heading).to_have_text(["Workers"])
    expect(heading).to_be_focused()
    page.unroute("**/pages/workers.js")
    page.get_by_role("button", name="Load again").click()
    expect(page.get_by_role("button", name="Add a worker…")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_of_two_pages_the_one_asked_for_last_is_shown(open_page: OpenPage) -> None:
    page = open_page("/templates")
    held = hold(page, "**/pages/workers.js")
    heading = page.get_by_role("heading", level=1)
    page.get_by_role("link", name="Workers").first.click()
    expect(heading).to_have_count(0)

    page.get_by_role("link", name="Schedules").first.click()
    expect(heading).to_have_text(["Schedules"])
    release(page, held)
    page.evaluate(
        """() => import(performance.getEntriesByType("resource").map(({ name }) => name)
             .find((name) => name.endsWith("app.js")).replace("app.js", "pages/workers.js"))"""
    )

    expect(heading).to_have_text(["Schedules"])
