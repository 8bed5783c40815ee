"""Makes the pictures of the documentation.

`python -m tests.browser.pictures`, from the checkout's environment.

They show the product itself at work on its own examples, so they are made anew whenever a page
changes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.browser_org import Site
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.browser.reading import log_in, run_now, wait_for_log
from tests.product import CHECKOUT, Installation

FOLDER = CHECKOUT / "docs/images"
WIDTH, HEIGHT = 1120, 680


def main() -> None:
    """Bring up a server and workers, let an org work for a while, and take the pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        Installation(
            Path(folder), server_options=("--allow-egress", "127.0.0.0/8")
        ) as installation,
    ):
        site = Site(installation, Path(folder))
        site.fill()
        installation.admin.attempt("run", "failing-check", "--follow")
        installation.admin.cli("run", "hello", "--follow")
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            _take_runs(_page_of(chromium, installation, "alice"))
            _take_approval_request(_page_of(chromium, installation, "dana"))
            _take_deciding(_page_of(chromium, installation, "carol"), site)
            chromium.close()


def _page_of(chromium: Browser, installation: Installation, who: str) -> Page:
    page = chromium.new_page(
        ignore_https_errors=True,
        base_url=installation.server.url,
        viewport={"width": WIDTH, "height": HEIGHT},
        color_scheme="light",
    )
    page.goto("/login")
    log_in(page, f"{who}@example.com")
    page.get_by_role("heading", level=1, name="Home").wait_for()
    page.goto("/templates")
    page.locator(".last-run").first.wait_for()
    return page


def _take_runs(page: Page) -> None:
    _save(page, "templates")
    page.get_by_role("link", name="Run A task that takes a while").click()
    page.get_by_label("Reason").fill("INC-4711: queue grows")
    _save(page, "run")
    run_now(page)
    wait_for_log(page, "step 5")
    _save(page, "automation")
    page.goto("/workers")
    page.locator(".slot.is-busy").first.wait_for()
    _save(page, "workers")


def _take_approval_request(page: Page) -> None:
    page.goto("/templates/restart-web/run")
    page.get_by_label("fra").check()
    page.get_by_label("Pager PIN").fill("4711-4711")
    page.get_by_label("Reason").fill("INC-4711: 502s from Frankfurt since 09:40")
    _save(page, "run-asks")


def _take_deciding(page: Page, site: Site) -> None:
    page.goto("/approvals?whose=all")
    page.get_by_role("link", name="restart-web").first.wait_for()
    _save(page, "approvals")
    page.goto(f"/approvals/{site.requests['second']}")
    page.get_by_role("button", name="Approve…").wait_for()
    _save(page, "approval", is_whole=True)
    page.set_viewport_size({"width": 390, "height": 800})
    _save(page, "approval-telephone")


def _save(page: Page, name: str, *, is_whole: bool = False) -> None:
    page.screenshot(path=FOLDER / f"{name}.png", full_page=is_whole)


if __name__ == "__main__":
    main()
