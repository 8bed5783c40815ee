"""A phase that is tried again says so while it waits; the run form names unwritten limits."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.reading import has_no_horizontal_scroll, wait_for_log
from tests.product import Installation

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
    assert "default" not in page.locator(".plan-facts").nth(1).inner_text()

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
