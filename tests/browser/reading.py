"""What a person does and sees on the pages."""

from __future__ import annotations

from playwright.sync_api import Locator, Page

from tests.product import PASSWORD
from tests.support import wait_until


def log_in(page: Page, email: str, password: str = PASSWORD) -> None:
    """Fill in the log-in form."""
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def run_now(page: Page) -> None:
    """Send the run form and wait for the automation's page."""
    page.get_by_role("button", name="Run now").click()
    page.wait_for_url("**/automations/*")


def choose(page: Page, thing: str, action: str) -> None:
    """Take an action from the menu of a list's row."""
    page.get_by_role("button", name=f"More for {thing}", exact=True).click()
    page.get_by_role("button", name=action).click()


def worker_card(page: Page, name: str) -> Locator:
    """Find the card of a worker, and of no other that runs something whose name has this in it."""
    return page.locator(".worker").filter(has=page.get_by_role("link", name=name, exact=True))


def wait_for_state(page: Page, state: str) -> None:
    """Wait until the automation's heading says so."""
    page.locator(".page-title .state", has_text=state).wait_for()


def log_text(page: Page) -> str:
    """Return the lines of the log that are in the document, in order."""
    rows = page.locator(".log-row:not(.is-command)").evaluate_all(
        """rows => {
          const y = row => new DOMMatrix(getComputedStyle(row).transform).f;
          return rows.map(row => [y(row), row.querySelector('.log-text')])
              .sort((a, b) => a[0] - b[0]).map(([, text]) => text ? text.textContent : '');
        }"""
    )
    return "\n".join(rows)


def wait_for_log(page: Page, text: str, timeout: float = 60.0) -> None:
    """Wait until the text stands in the part of the log that is in the document."""
    wait_until(lambda: text in log_text(page), timeout, f"{text!r} in the log")


def has_no_horizontal_scroll(page: Page) -> bool:
    """Return whether the page is no wider than the window."""
    is_narrow: bool = page.evaluate(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    return is_narrow
