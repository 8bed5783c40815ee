"""A phase that is tried again says so while it waits; the run form names unwritten limits."""

from __future__ import annotations

import json
import re

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.reading import has_no_horizontal_scroll, wait_for_log
from tests.product import Installation

GROWING = """\
apiVersion: v1
type: AutomationTemplate
metadata: {name: growing}
spec:
  template:
    phases:
      - name: try
        retries: {limit: 2, delay: 1, backoff: 1.5, retryOn: [1, 2]}
        commands: ["echo x >> n; echo number $(wc -l < n); seq 200; exit $(wc -l < n)"]
"""
TEMPLATE = """\
apiVersion: v1
type: AutomationTemplate
metadata: {name: flaky}
spec:
  template:
    phases:
      - {name: look, commands: ["echo looking"]}
      - {name: try, timeout: 75, retries: {limit: 2, delay: 60}, commands: ["exit 75"]}
"""


def test_the_page_shows_attempts_and_default_limits(
    open_page: OpenPage, installation: Installation
) -> None:
    installation.push(TEMPLATE)
    page = open_page("/templates/flaky/run")
    expect(page.locator(".plan-facts").nth(0)).to_contain_text("at most 1 min, the default")
    expect(page.locator(".plan-facts").nth(1)).to_contain_text("2 retries")
    facts = page.locator(".plan-facts").nth(1).inner_text()
    assert "default" not in facts
    assert "times" not in facts  # all its delays are as long

    ran = installation.admin.json("run", "flaky")
    page = open_page(f"/automations/{ran['id']}")
    wait_for_log(page, "the next begins in 60 s")
    expect(page.locator(".phase", has_text="try")).to_contain_text("attempt 1 of 3")
    expect(page.locator(".phase-explanation")).to_have_text(
        "attempt 1 of 3 failed with exit code 75; the next begins in 60 s"
    )
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 740})
        assert has_no_horizontal_scroll(page)
    installation.admin.cli("automations", "cancel", ran["id"])


def test_each_failed_attempt_is_shown_with_its_end_and_leads_to_its_place_in_the_log(
    open_page: OpenPage, installation: Installation
) -> None:
    installation.push(GROWING)
    ran = installation.admin.attempt("-o", "json", "run", "growing", "--follow")
    automation = json.loads(ran.stdout)
    [failed, phase] = [automation["phases"][0]["failed_tries"], automation["phases"][0]]
    assert [each["exit_code"] for each in failed] == [1, 2]
    assert (phase["tries"], phase["exit_code"]) == (3, 3)
    shown = installation.admin.cli("automations", "show", automation["id"])
    assert re.search(r"^  attempt 2 +failed +[0-9.]+ s +exit code 2$", shown, re.MULTILINE)

    page = open_page("/templates/growing/run")
    expect(page.locator(".plan-facts").first).to_contain_text(
        "2 retries, after 1 s, times 1.5, on exit code 1, 2"
    )
    page = open_page(f"/automations/{automation['id']}")
    attempts = page.get_by_role("list", name="Failed attempts").get_by_role("button")
    expect(attempts).to_have_count(2)
    expect(attempts.nth(1)).to_contain_text("attempt 2: exit code 2")
    attempts.nth(1).click()
    expect(page.locator(".log-row", has_text="number 2").first).to_be_in_viewport()

    page.get_by_role("tab", name="Timeline").click()
    rows = page.get_by_role("list", name="Timeline").get_by_role("listitem")
    titles = rows.locator(".timeline-what > :last-child").all_inner_texts()
    command = automation["phases"][0]["commands"][0]["command"]
    assert titles[-5:] == ["try", "attempt 1", "attempt 2", "attempt 3", command]
    page.set_viewport_size({"width": 320, "height": 740})
    assert has_no_horizontal_scroll(page)
    ticks = page.locator(".timeline-ticks span").all_inner_texts()
    assert 2 <= len(ticks) <= 6
    assert [tick for tick in ticks if not re.fullmatch(r"[\d.]+ (ms|s|min)", tick)] == []
