"""The main job in a browser: log in, run a template, watch it, cancel it."""

from __future__ import annotations

import re
import statistics
from urllib.parse import urlsplit

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.reading import (
    has_no_horizontal_scroll,
    log_in,
    log_text,
    run_now,
    wait_for_log,
    wait_for_state,
)
from tests.product import Installation
from tests.support import wait_until

LINES = 20
LINE_MS = 250
TELLS_WHEN = f"""apiVersion: v1
type: AutomationTemplate
metadata: {{name: tells-when}}
spec:
  template:
    phases:
      - name: tell
        commands: ['for i in $(seq {LINES}); do date +"at %s%3N"; sleep 0.15; done']
"""
READ_DELAYS = """async (count) => {
  const delays = new Map();
  while (delays.size < count) {
    for (const { textContent: text } of document.querySelectorAll(".log-text")) {
      const at = /^at (\\d{13})$/.exec(text)?.[1];
      if (at && !delays.has(at)) delays.set(at, Date.now() - Number(at));
    }
    await new Promise((done) => requestAnimationFrame(done));
  }
  return [...delays.values()];
}"""
"""How many milliseconds after they were printed the lines stood on the page, which frame by frame
is looked at."""


def test_a_person_logs_in_runs_a_template_through_its_form_and_watches_the_log_arrive(
    open_page: OpenPage, installation: Installation
) -> None:
    page = open_page("/", is_known=False)
    log_in(page, installation.admin.email)

    page.get_by_role("link", name="Run a template").click()
    page.get_by_role("link", name="Run Greet somebody").click()
    page.get_by_label("Who").fill("Ada")
    page.get_by_label("Days").fill("2026-01-31\n2026-02-01")
    page.get_by_text("rude").click()
    page.get_by_text("yes", exact=True).click()
    page.get_by_label("Reason").fill("to see whether it works")

    run_now(page)
    wait_for_state(page, "succeeded")
    wait_for_log(page, "goodbye")

    expect(page.get_by_role("heading", level=1)).to_have_text("Greet somebody")
    for width in (1280, 390, 360):
        page.set_viewport_size({"width": width, "height": 740})
        assert has_no_horizontal_scroll(page)
    page.set_viewport_size({"width": 1280, "height": 800})

    shown = log_text(page).split("\n")
    error = "to stderr"  # it may come a little before or after what was printed at the same moment
    assert [line for line in shown if line != error] == [
        "",
        "rude, Ada",
        "rude, Ada",
        "",
        "goodbye",
    ]

    assert page.locator(".log-row.is-stderr").inner_text().split("\n")[1:] == [error]
    assert page.locator(".log-text .ansi-fg-2").first.inner_text() == "rude"

    page.get_by_role("tab", name="Inputs and outputs").click()
    assert "2026-01-31\n2026-02-01" in page.get_by_role("tabpanel").inner_text()
    for name in ("Artifacts", "Compare", "Trail"):
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tab", name=name)).to_be_focused()
    expect(page.get_by_role("tabpanel")).to_contain_text("edge")
    page.get_by_role("tab", name="Timeline").click()
    bars = page.get_by_role("list", name="Timeline").get_by_role("listitem")
    expect(bars.filter(has_text="speak")).to_contain_text(re.compile("s$"))
    page.reload()
    expect(bars.filter(has_text="speak")).to_be_visible()
    assert "to see whether it works" in page.locator("main").inner_text()
    assert "succeeded: greet" in page.title()


NOTE_TEXTS = """(element) => {
  window.announced = [];
  const note = () => window.announced.push(element.textContent);
  new MutationObserver(note).observe(element, { childList: true, characterData: true });
}"""


def test_the_log_of_a_running_automation_arrives_live_and_cancelling_asks_first(
    open_page: OpenPage,
) -> None:
    page = open_page("/templates/count/run")
    run_now(page)
    wait_for_log(page, "number 1")
    wait_for_log(page, "number 3")
    expect(page.locator(".page-title .state")).to_have_text("running")
    announced = page.get_by_role("status").and_(page.locator("body > [aria-live=polite]"))
    expect(announced).to_have_text("count: running")
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_role("dialog").get_by_role("button", name="Let it run").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Cancel…").click()
    page.route("**/cancel", lambda route: route.abort())
    cancel = page.get_by_role("dialog").get_by_role("button", name="Cancel the automation")
    cancel.click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("does not answer")
    page.unroute("**/cancel")
    announced.evaluate(NOTE_TEXTS)
    cancel.click()
    wait_for_state(page, "cancelled")
    # Answer and new state come on two connections, in no order.
    page.wait_for_function(
        "['Cancelling', 'count: cancelled'].every((text) => window.announced.includes(text))"
    )
    wait_for_log(page, "cleaned up")
    expect(page.get_by_role("button", name="Cancel…")).to_have_count(0)


def test_a_line_is_seen_a_quarter_of_a_second_after_it_was_printed(
    open_page: OpenPage, installation: Installation
) -> None:
    """A busy machine delays some, so the faster ones count, of those that come once the page is."""
    installation.push(TELLS_WHEN)
    page = open_page("/templates/tells-when/run")
    run_now(page)

    delays = page.evaluate(READ_DELAYS, LINES)

    assert statistics.quantiles(delays[LINES // 2 :])[0] < LINE_MS, delays


def test_mistakes_are_shown_at_their_fields_and_the_first_gets_the_focus(
    open_page: OpenPage,
) -> None:
    page = open_page("/templates/greet/run")
    page.get_by_label("How often").fill("ten")
    page.get_by_role("button", name="Run now").click()
    wrong = page.locator(".field.is-wrong")
    expect(wrong).to_have_count(3)
    assert [text.split("\n")[-1] for text in wrong.all_inner_texts()] == [
        "is required", "“ten” is not a whole number", "is required",
    ]  # fmt: skip
    assert page.evaluate("document.activeElement.labels[0].textContent") == "Who required"
    assert urlsplit(page.url).path == "/orgs/acme/templates/greet/run"


def test_what_only_the_server_finds_wrong_is_shown_at_the_field_too(open_page: OpenPage) -> None:
    page = open_page("/templates/greet/run")
    page.get_by_label("Who").fill("ada")
    page.get_by_text("yes", exact=True).click()
    page.get_by_role("button", name="Run now").click()
    field = page.locator(".field.is-wrong")
    expect(field).to_have_count(1)
    assert "does not match the pattern" in field.inner_text()
    assert page.get_by_label("Who").get_attribute("aria-invalid") == "true"
    page.get_by_label("Who").fill("Ada")
    run_now(page)
    wait_for_state(page, "succeeded")


def test_a_double_click_triggers_once(open_page: OpenPage, installation: Installation) -> None:
    page = open_page("/templates/count/run")
    reason = "clicked twice"
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name="Run now").dblclick()
    page.wait_for_url("**/automations/*")
    wait_for_log(page, "number 1")
    listed = installation.admin.json("automations", "list")
    assert [each["reason"] for each in listed].count(reason) == 1
    installation.admin.cli("automations", "cancel", urlsplit(page.url).path.rsplit("/", 1)[1])


def test_the_address_that_one_came_for_is_shown_after_logging_in(
    open_page: OpenPage, installation: Installation
) -> None:
    page = open_page("/templates/greet?view=source", is_known=False)
    page.get_by_role("heading", name="Log in").wait_for()
    log_in(page, installation.admin.email, "not the password")
    expect(page.get_by_role("alert")).to_contain_text(re.compile("password", re.IGNORECASE))
    log_in(page, installation.admin.email)
    page.get_by_role("tab", name="Source", selected=True).wait_for()


def test_a_session_that_ended_elsewhere_asks_to_log_in_again(
    open_page: OpenPage, installation: Installation
) -> None:
    page = open_page("/automations", is_known=False)
    log_in(page, installation.admin.email)
    page.get_by_role("heading", name="Automations").wait_for()
    # Nothing of the page may be under way any more, or it would notice by itself.
    page.locator(".live.is-live").wait_for()
    page.locator("#suggestions-template option").first.wait_for(state="attached")
    expect(page.locator("main .loading")).to_have_count(0)
    page.context.clear_cookies()
    page.get_by_text("Manage", exact=True).click()
    page.get_by_role("link", name="People").click()
    page.get_by_role("dialog", name="Log in again").wait_for()
    log_in(page, installation.admin.email)
    page.get_by_role("row", name=f"Show {installation.admin.email.partition('@')[0]} ").wait_for()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_rerun_can_be_changed_before_it_starts(open_page: OpenPage) -> None:
    page = open_page("/templates/greet/run")
    page.get_by_label("Who").fill("Grace")
    page.get_by_text("no", exact=True).click()
    run_now(page)
    wait_for_state(page, "succeeded")
    page.get_by_role("button", name="Run again…").click()
    page.get_by_role("button", name="Change values first").click()
    page.wait_for_url("**/run?from=*")
    expect(page.get_by_label("Who")).to_have_value("Grace")
    expect(page.get_by_label("no", exact=True)).to_be_checked()
    page.get_by_label("How often").fill("1")
    run_now(page)
    wait_for_state(page, "succeeded")
    wait_until(lambda: log_text(page).count("polite, Grace") == 1, 60, "the one greeting")


def test_the_list_of_automations_shows_a_change_without_reloading(
    open_page: OpenPage, installation: Installation
) -> None:
    installation.admin.cli("run", "greet", "--var", "who=Eve", "--var", "sure=yes", "--follow")
    page = open_page("/automations?template=greet")
    rows = page.locator(".automation-rows tbody tr")
    rows.first.wait_for()  # the list is there whole, or not at all
    before = rows.count()
    installation.admin.cli("run", "greet", "--var", "who=Bob", "--var", "sure=yes", "--follow")
    expect(rows).to_have_count(before + 1)
    expect(rows.first).to_contain_text("succeeded")
