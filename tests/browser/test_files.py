"""Files that a person gives to an automation in the form, and finds again where it is shown."""

from __future__ import annotations

import hashlib
import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.reading import has_no_horizontal_scroll
from tests.product import Installation

LOADS = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: loads}
spec:
  approvalPolicy: {spec: {gates: [{name: g, approvers: {roles: [admin]}, allowRequester: true}]}}
  variables:
    - {id: table, label: Table, type: file, isRequired: true, pattern: '.*[.]csv'}
    - {id: more, label: Others, type: file, multiple: true}
  template:
    phases: [{name: load, commands: ['cat "$OPSICLE_VAR_TABLE"']}]
"""
CONTENT = b"a;b\n" * 100_000
HOSTILE = "<b>prices<b> '&.csv"


@pytest.fixture
def loads(installation: Installation) -> str:
    installation.push(LOADS)
    return "/templates/loads/run"


def test_a_file_is_uploaded_by_the_form_and_taken_from_the_pages_that_show_it(
    open_page: OpenPage, loads: str
) -> None:
    page = open_page(loads)
    ask = page.get_by_role("button", name="Ask to run")
    file = page.get_by_label("Table")

    ask.click()
    expect(page.locator(".field-error").first).to_contain_text("is required")
    file.set_input_files({"name": "a.txt", "mimeType": "text/plain", "buffer": b"x"})
    expect(page.locator(".upload-state").first).to_contain_text("is uploaded")
    ask.click()
    expect(page.locator(".field-error").first).to_contain_text("does not match the pattern")
    file.set_input_files({"name": HOSTILE, "mimeType": "text/csv", "buffer": CONTENT})
    expect(page.locator(".upload-state").first).to_contain_text(f"{HOSTILE}, 391 KiB, is uploaded")
    expect(page.locator(".environment")).to_contain_text(f"the path of {HOSTILE}")
    page.get_by_label("Others").set_input_files(
        [{"name": name, "mimeType": "text/csv", "buffer": b"x"} for name in ("one", "two")]
    )
    expect(page.locator(".upload-state").nth(1)).to_contain_text("two, 1 B, is uploaded")
    ask.click()
    page.wait_for_url("**/automations/*")
    page.get_by_role("link", name="See the approval").click()
    page.wait_for_url("**/approvals/*")

    given = page.locator(".given-file")
    expect(given).to_have_count(3)
    shown = given.filter(has_text="prices")
    expect(shown).to_contain_text(HOSTILE)
    expect(shown).to_contain_text("391 KiB")
    expect(shown).to_contain_text(hashlib.sha256(CONTENT).hexdigest())
    with page.expect_download() as download:
        shown.get_by_role("link").click()
    # Its bytes are asked for anew: the download itself was cancelled twice, it is not known why.
    assert page.request.get(download.value.url).body() == CONTENT
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 740})
        assert has_no_horizontal_scroll(page)


def test_an_upload_that_the_server_refuses_says_why_at_its_field(
    open_page: OpenPage, loads: str
) -> None:
    page = open_page(loads)
    page.route(
        re.compile("/api/v1/files"),
        lambda route: route.fulfill(
            status=409,
            content_type="application/problem+json",
            body='{"title": "Conflict", "code": "conflict", "detail": "there is no room"}',
        ),
    )

    page.get_by_label("Table").set_input_files(
        {"name": "a.csv", "mimeType": "text/csv", "buffer": b"x"}
    )
    page.get_by_role("button", name="Ask to run").click()

    expect(page.locator(".field-error").first).to_contain_text(
        "a.csv was not uploaded: there is no room"
    )
