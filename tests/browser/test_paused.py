"""A paused automation: what it asks, on a telephone too, and what is chosen after a failure."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.accessibility import is_accessible
from tests.browser.conftest import OpenPage
from tests.browser.reading import has_no_horizontal_scroll
from tests.product import Installation

TEMPLATE = """apiVersion: v1
type: AutomationTemplate
metadata: {name: asking}
spec:
  metadata: {displayName: Something that asks}
  template:
    phases:
      - {name: before, commands: ["echo prepared"]}
      - name: look
        pause:
          message: Does the page look right?
          approvers: {roles: [admin]}
          allowRequester: true
          variables: [{id: until, type: number, label: Until when, isRequired: true}]
      - name: act
        onFailure: ask
        commands: ['echo "until $OPSICLE_VAR_UNTIL"', "test -e never"]
"""


def test_a_pause_takes_values_and_a_failure_a_choice(
    open_page: OpenPage, installation: Installation
) -> None:
    installation.push(TEMPLATE)
    page = open_page("/templates/asking/run", width=360)
    page.get_by_role("button", name="Run now").click()
    page.get_by_role("link", name="See what it asks").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("May Something that asks go on?")
    expect(page.get_by_text("Does the page look right?").first).to_be_visible()
    assert is_accessible(page)
    assert has_no_horizontal_scroll(page)
    page.get_by_role("button", name="Let it go on…").click()
    page.get_by_role("button", name="Let it go on", exact=True).click()
    expect(page.get_by_text("is required")).to_be_visible()
    page.get_by_label("Until when").fill("7")
    page.get_by_role("button", name="Let it go on", exact=True).click()
    expect(page.get_by_role("button", name="Let it go on…")).to_have_count(0)

    page.get_by_role("link", name="the automation").click()
    expect(page.get_by_text("until 7").first).to_be_visible()
    page.get_by_role("tab", name="Timeline").click()
    expect(page.get_by_text("look: waited for people")).to_be_visible()
    page.get_by_role("link", name="See what it asks").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("failed at act")
    page.get_by_role("button", name="Skip…").click()
    page.get_by_role("button", name="Skip", exact=True).click()
    page.get_by_role("link", name="the automation").click()

    expect(page.get_by_text("skipped, and all that came after went well").first).to_be_visible()
