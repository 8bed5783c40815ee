"""Makes the pictures of the documentation: `python -m tests.browser.pictures`, from the checkout's environment.

They show the product itself at work on its own examples, so they are made anew whenever a page changes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.browser.reading import log_in, run_now, wait_for_log
from tests.product import CHECKOUT, Installation

FOLDER = CHECKOUT / "docs/images"
WIDTH, HEIGHT = 1120, 680
EXAMPLES = ("disk-report", "failing-check", "hello", "long-task")


def main() -> None:
    """Bring up a server and a worker, run some examples, and take the pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Installation(Path(folder)) as installation:
        for name in EXAMPLES:
            installation.push((CHECKOUT / f"examples/{name}.yaml").read_text())
        installation.worker("edge-ams-1", None, "--label", "site=ams")
        installation.worker("edge-fra-1", None, "--label", "site=fra", "--slots", "8")
        installation.admin.attempt("run", "failing-check", "--follow")
        installation.admin.cli("run", "hello", "--follow")
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            _take(chromium, installation)
            chromium.close()


def _take(chromium: Browser, installation: Installation) -> None:
    page = chromium.new_page(
        ignore_https_errors=True,
        base_url=installation.server.url,
        viewport={"width": WIDTH, "height": HEIGHT},
        color_scheme="light",
    )
    page.goto("/login")
    log_in(page, installation.admin.email)
    page.locator(".last-run").first.wait_for()
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


def _save(page: Page, name: str) -> None:
    page.screenshot(path=FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
