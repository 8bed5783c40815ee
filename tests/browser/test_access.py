"""Who may do what, and by which rule."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.accessibility import is_accessible
from tests.browser.conftest import OpenPage
from tests.product import Installation


def test_the_page_says_what_the_command_line_says_and_keeps_the_question_in_the_address(
    open_page: OpenPage, installation: Installation
) -> None:
    dana = installation.account("dana-asked-about@example.com", "reporter")
    page = open_page("/people")
    page.get_by_role("link", name="Who may do what").click()
    page.get_by_label("Who", exact=True).fill(dana.email)
    page.get_by_label("Its name").fill("greet")
    page.get_by_role("button", name="Ask").click()

    said = installation.admin.attempt(
        "can", dana.email, "execute", "templates/greet", "--why", "-o", "json"
    )
    assert said.returncode == 3
    answer = page.locator("main").get_by_role("status")
    expect(answer.get_by_text(f"{dana.email} may not do this")).to_be_visible()
    assert is_accessible(page)
    address = page.url
    assert "resource=templates%2Fgreet" in address

    page.get_by_label("May they").select_option("view")
    page.get_by_role("button", name="Ask").click()
    expect(answer.get_by_text(f"{dana.email} may do this")).to_be_visible()
    expect(answer).to_contain_text("view templates")
    page.goto(address)
    expect(page.get_by_text(f"{dana.email} may not do this")).to_be_visible()
    page.get_by_label("What", exact=True).select_option("workers")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_text("can be told one from another, not workers")).to_be_visible()
