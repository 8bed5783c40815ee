"""The audit page: filters and verification."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage


def test_the_record_is_filtered_in_the_page(open_page: OpenPage) -> None:
    page = open_page("/audit")
    page.get_by_label("Did").fill("login")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(".audit tbody tr").first).to_contain_text("login")
    page.get_by_label("Did").fill("never")
    page.get_by_label("Did").press("Enter")
    expect(page.get_by_text("Nothing like this")).to_be_visible()
    expect(page.locator(".audit tbody tr")).to_have_count(0)


def test_the_page_says_that_the_record_is_intact(open_page: OpenPage) -> None:
    page = open_page("/audit")
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_role("status").get_by_text("The record is intact")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Export").click()
    assert download.value.suggested_filename == "audit-acme.jsonl"
    assert download.value.path().read_bytes().startswith(b'{"type":"header"')
