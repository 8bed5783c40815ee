"""Removing somebody on the page says what goes with them, and offers another owner."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.reading import choose
from tests.product import Installation


def test_whoever_removes_somebody_sees_what_goes_with_them_and_names_another_owner(
    open_page: OpenPage, installation: Installation
) -> None:
    gone = installation.account("leaves-soon@example.com", "operator")
    installation.admin.cli(
        "service-accounts", "create", "left-behind", "--role", "member", "--owner", gone.email
    )
    page = open_page("/people")
    choose(page, gone.email, f"Security of {gone.email}")
    page.get_by_role("button", name="Remove from the org").click()
    page.get_by_role("dialog").last.get_by_role("button", name="Remove", exact=True).click()
    dialog = page.get_by_role("dialog", name=f"More goes with {gone.email}")
    expect(dialog).to_contain_text("left-behind@acme.service")
    dialog.get_by_label("Who answers for their service accounts").fill("nobody@example.com")
    dialog.get_by_role("button", name="Remove all the same").click()
    expect(dialog.locator(".field-error")).to_contain_text("cannot answer for service accounts")
    dialog.get_by_label("Who answers for their service accounts").fill(installation.admin.email)
    dialog.get_by_role("button", name="Remove all the same").click()
    expect(page.get_by_role("button", name=f"More for {gone.email}")).to_have_count(0)
    assert (
        installation.admin.json("users", "show", "left-behind@acme.service")["owner"]
        == installation.admin.email
    )
