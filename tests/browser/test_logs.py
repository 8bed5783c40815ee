"""Long and hostile logs: the page stays harmless and answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.main_thread import tasks_ms
from tests.browser.reading import log_text, run_now, wait_for_log, wait_for_state
from tests.product import Installation
from tests.support import wait_until

ANSWER_SECONDS = 60.0
"""A hang guard: what a person does answers in well under a second."""

MOST_ROWS = 200

MOST_BYTES = 3_000_000
"""Of a page with a log, the application and the part that is shown; the whole log takes more."""

LONGEST_TASK_MS = 50
"""Of CPU time; what takes longer is felt. They take some 15 ms."""


@pytest.fixture(scope="module")
def long_log(installation: Installation) -> str:
    """Return the path of a page of an automation whose log has 200,000 lines and one of 10 MB."""
    done = installation.admin.json("run", "long-log", "--follow")
    return f"/automations/{done['id']}"


def test_hostile_output_is_shown_as_text_and_does_nothing(open_page: OpenPage) -> None:
    page = open_page("/templates/hostile/run")
    run_now(page)
    wait_for_state(page, "succeeded")
    wait_for_log(page, "the end")
    lines = log_text(page).split("\n")
    assert (
        '<script>alert(1)</script><img src="https://example.com/x.png" onerror="alert(2)">' in lines
    )
    assert "link behind" in lines
    assert "after the title" in lines
    assert "bidi ⟨U+202E⟩ turned⟨U+202C⟩ zero⟨U+200B⟩width" in lines
    assert "bad \ufffd\ufffd bytes" in lines
    assert "still there" in lines
    assert "control ^A^K^? ⟨U+009B⟩ signs" in lines
    assert "3000" in lines
    assert '"><script>alert(1)</script>' in lines
    assert page.title().startswith("succeeded: hostile")
    assert page.locator("main :is(script, img, iframe, b, i)").count() == 0
    assert page.locator(".log-canvas a").count() == 0
    _answers(page)


def test_a_very_long_log_stays_responsive_and_draws_only_what_is_in_sight(
    open_page: OpenPage, long_log: str
) -> None:
    page = open_page(long_log)
    wait_for_log(page, "the end", timeout=90)
    assert page.locator(".log-row").count() < MOST_ROWS
    began = time.monotonic()
    page.get_by_label("Search the log").fill("line 150000")
    expect(page.locator(".log-count")).to_have_text("1 of 1", timeout=ANSWER_SECONDS * 1000)
    wait_for_log(page, "line 150000", ANSWER_SECONDS)
    assert page.locator(".log-text mark").inner_text() == "line 150000"
    page.get_by_role("button", name="Wrap").click()
    wait_for_log(page, "line 150000", ANSWER_SECONDS)
    assert time.monotonic() - began < 3 * ANSWER_SECONDS
    assert page.locator(".log-row").count() < MOST_ROWS
    _answers(page)


def test_a_line_of_ten_megabytes_is_cut_until_one_asks_for_more(
    open_page: OpenPage, long_log: str
) -> None:
    page = open_page(long_log)
    wait_for_log(page, "the end", timeout=90)
    more = page.locator(".log-more")
    assert more.inner_text() == "10,483,760 more characters: show"
    page.get_by_role("button", name="Follow").click()
    more.click()
    expect(page.locator(".log-more")).to_have_count(0)
    assert page.locator(".log-row").count() < MOST_ROWS
    page.locator(".log-scroller").evaluate(
        "element => { element.scrollTop = element.scrollHeight }"
    )
    wait_for_log(page, "the end", ANSWER_SECONDS)
    _answers(page)


def test_a_command_leads_to_its_place_in_the_log_and_the_address_to_a_line(
    open_page: OpenPage, long_log: str
) -> None:
    page = open_page(long_log)
    wait_for_log(page, "the end", timeout=90)
    page.locator(".step").get_by_role("button", name="head -c 10485760").click()
    wait_until(lambda: "x" * 20 in log_text(page), ANSWER_SECONDS, "the command's output")
    wait_until(lambda: urlsplit(page.url).fragment == "L200001", what="the line in the address")
    page = open_page(f"{long_log}#L4711-L4713")
    wait_until(
        lambda: page.locator(".log-row.is-selected").count() == 3, 90, "the lines of the address"
    )
    assert page.locator(".log-row.is-selected").first.inner_text().startswith("4711\nline 004711")


@pytest.fixture(scope="module")
def many_lines(installation: Installation) -> str:
    """Return the path of a page of an automation whose log has a million lines."""
    done = installation.admin.json("run", "many-lines", "--follow")
    return f"/automations/{done['id']}"


def test_a_large_log_opens_at_its_end_and_earlier_parts_come_when_one_scrolls_there(
    open_page: OpenPage, many_lines: str
) -> None:
    page = open_page("/templates")
    with _received(page) as received, tasks_ms(page) as tasks:
        page.goto(many_lines)
        wait_for_log(page, "row 1000000.")

        assert 10_000 < sum(received) < MOST_BYTES

        page.locator(".log-scroller").hover()
        page.mouse.wheel(0, -100_000_000)
        wait_until(lambda: _goes_up_to(page, 980_000), ANSWER_SECONDS, "an earlier part")
        page.get_by_role("button", name="Follow").click()
        wait_for_log(page, "row 1000000.")

    assert 1 < max(tasks) < LONGEST_TASK_MS


def test_a_link_to_a_line_in_the_middle_of_a_large_log_and_a_search_fetch_that_part_alone(
    open_page: OpenPage, many_lines: str
) -> None:
    page = open_page("/templates")
    with _received(page) as received, tasks_ms(page) as tasks:
        page.goto(f"{many_lines}#L150007")
        selected = page.locator(".log-row.is-selected")
        expect(selected).to_have_text("150007row 150007.")
        assert 10_000 < sum(received) < MOST_BYTES

        page.get_by_label("Search the log").fill("ROW 1234")
        expect(page.locator(".log-count")).to_have_text("1 of 111", timeout=ANSWER_SECONDS * 1000)
        expect(selected).to_have_text("1234row 1234.")
        page.get_by_role("button", name="Next match").click()
        expect(selected).to_have_text("12340row 12340.")
        page.get_by_role("button", name="Previous match").click()
        page.get_by_role("button", name="Previous match").click()
        expect(selected).to_have_text("123499row 123499.")
        assert page.locator(".log-text mark").first.inner_text() == "row 1234"

    assert 1 < max(tasks) < LONGEST_TASK_MS
    for width in (1200, 1440):
        page.set_viewport_size({"width": width, "height": 740})
        bar = page.locator(".log-bar").bounding_box()
        assert bar
        assert bar["height"] < 48, "one line"


@contextmanager
def _received(page: Page) -> Iterator[list[int]]:
    """Note the sizes of what a page receives within."""
    received: list[int] = []
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.dataReceived", lambda event: received.append(event["dataLength"]))
    yield received
    session.detach()


def _goes_up_to(page: Page, number: int) -> bool:
    """Scroll up and return whether lines up to this number are in the document."""
    page.mouse.wheel(0, -100_000_000)
    shown = page.locator(".log-number").all_inner_texts()
    return any(text and int(text) < number for text in shown)


def test_a_search_through_all_logs_leads_to_the_line(open_page: OpenPage, long_log: str) -> None:
    page = open_page("/logs?text=LINE+004711")
    expect(page.locator(".found-line mark")).to_have_text("line 004711")
    expect(page.get_by_text("Searched ")).to_be_visible()
    boxes = "fields => fields.map(each => each.getBoundingClientRect())"
    *fields, send = page.locator(".filter-form :is(input, button)").evaluate_all(boxes)
    assert len({round(box["height"]) for box in (*fields, send)}) == 1
    assert len({round(box["width"]) for box in fields}) == 1
    assert send["width"] < fields[0]["width"]

    page.get_by_role("link", name="long-log, line 4,711").click()

    wait_until(
        lambda: page.locator(".log-row.is-selected").count() == 1, 90, "the line of the address"
    )
    assert page.locator(".log-row.is-selected").inner_text().startswith("4711\nline 004711")
    page = open_page("/logs?text=no+such+thing&way=case")
    expect(page.get_by_role("heading", name="No line matches")).to_be_visible()


def test_scrolling_up_lets_go_of_the_end_and_follow_goes_back_to_it(
    open_page: OpenPage, long_log: str
) -> None:
    page = open_page(long_log)
    wait_for_log(page, "the end", timeout=90)
    follow = page.get_by_role("button", name="Follow")
    expect(follow).to_have_attribute("aria-pressed", "true")
    page.locator(".log-scroller").hover()
    page.mouse.wheel(0, -5000)
    expect(follow).to_have_attribute("aria-pressed", "false")
    wait_until(lambda: "the end" not in log_text(page), ANSWER_SECONDS, "another part of the log")
    follow.click()
    wait_for_log(page, "the end", ANSWER_SECONDS)


def test_the_raw_log_is_downloaded_byte_by_byte(
    open_page: OpenPage, installation: Installation
) -> None:
    page = open_page("/templates/hostile/run")
    run_now(page)
    wait_for_state(page, "succeeded")
    with page.expect_download() as started:
        page.get_by_role("link", name="Raw").click()
    content = started.value.path().read_bytes()
    assert b"bad \xff\xfe bytes\n" in content
    assert content.endswith(b"the end\n")


def _answers(page: Page) -> None:
    """Assert that a frame is drawn within the hang guard."""
    began = time.monotonic()
    page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    assert time.monotonic() - began < ANSWER_SECONDS
