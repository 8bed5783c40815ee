"""Many windows of one browser side by side: a browser opens only six connections to one server."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import OpenPage
from tests.product import Installation
from tests.thin_api import Api

WINDOWS = 7
"""With that of the templates, more than the connections by two."""

TALK = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: talk}
spec:
  template:
    phases:
      - name: talk
        commands: ['echo begun; until test -e %s; do sleep 0.1; done; echo told to all; sleep 600']
      - name: clean-up
        when: always
        commands: ['echo cleaned up']
"""
OWN_STREAMS = """(async () => {
    const locks = await navigator.locks.query();
    return locks.held.map((lock) => lock.name).filter((name) => /[0-9]$/.test(name));
})()"""
"""The names of the streams that a window has to itself."""


def _in_new_window(page: Page, path: str) -> Page:
    """Another window of the same browser, with the same cookies and the same connections."""
    window = page.context.new_page()
    window.goto(path)
    window.get_by_role("heading", level=1).first.wait_for()
    return window


def test_a_further_window_opens_and_all_stay_live_however_many_there_are_or_are_closed(
    open_page: OpenPage, installation: Installation, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    installation.push(TALK % go)
    with Api(installation.access()) as api:
        ids = [api.run("talk") for _ in range(2)]
        first = open_page(f"/automations/{ids[0]}")
        windows = [
            first,
            *(_in_new_window(first, f"/automations/{ids[n % 2]}") for n in range(1, WINDOWS)),
        ]
        assert {window.evaluate("document.visibilityState") for window in windows} == {"visible"}

        listing = _in_new_window(first, "/templates")
        listing.get_by_role("link", name="Run Greet somebody").click()
        listing.get_by_role("button", name="Run now").wait_for()
        for window in windows:
            expect(_line(window, "begun")).to_be_visible()

        go.touch()
        for window in windows:
            expect(_line(window, "told to all")).to_be_visible()

        # Three have a stream of their own; once one is closed, the next in turn gets its.
        assert sorted(first.evaluate(OWN_STREAMS)) == [f"opsicle-stream-{n}" for n in (1, 2, 3)]
        windows.remove(first)
        first.close()
        windows[0].wait_for_function(f"async () => (await {OWN_STREAMS}).length === 3")

        for automation_id in ids:
            api.json("POST", f"/api/v1/automations/{automation_id}/cancel")
        for window in windows:
            expect(window.locator(".page-title .state")).to_have_text("cancelled")
            expect(_line(window, "cleaned up")).to_be_visible()


def _line(window: Page, text: str) -> Locator:
    """Find a line of the log."""
    return window.locator(".log-text").get_by_text(text, exact=True)
