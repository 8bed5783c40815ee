"""Templates that call and start others, by the pages of both."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.reading import has_no_horizontal_scroll, wait_for_state
from tests.product import Installation

GATE = "{name: g, approvers: {roles: [admin]}, allowRequester: true}"
ASKED = f"approvalPolicy: {{spec: {{gates: [{GATE}]}}}}"


def source(name: str, phases: str, more: str = "") -> str:
    return (
        f"apiVersion: v1\ntype: AutomationTemplate\nmetadata: {{name: {name}}}\n"
        f"spec:\n  {more}\n  template: {{phases: [{phases}]}}\n"
    )


def test_a_tree_of_calls_is_shown_from_its_approval_to_what_follows_its_end(
    open_page: OpenPage, installation: Installation
) -> None:
    act = "{name: act, commands: ['true']}"
    installation.push(source("called-leaf", act, ASKED))
    installation.push(source("called", f"{act}, {{name: down, call: {{template: called-leaf}}}}"))
    installation.push(
        source(
            "calling",
            "{name: both, call: [{template: called}, {template: called-leaf}]}",
            "onSuccess: [{template: called}, {template: not-there}]\n"
            "  onFailure: [{template: called}]",
        )
    )
    page = open_page("/templates/calling/run", width=360)
    expect(page.get_by_text("After success it starts not-there")).to_be_attached()
    page.get_by_role("button", name="Ask to run").click()
    page.wait_for_url("**/automations/*")
    caller = page.url

    page.get_by_role("link", name="See the approval").click()
    expect(page.get_by_role("main")).to_contain_text("which this is the approval of as well")
    expect(page.get_by_role("link", name="called-leaf").first).to_be_visible()
    assert has_no_horizontal_scroll(page)
    page.get_by_role("button", name="Approve…").click()
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()

    page.goto(caller)
    wait_for_state(page, "succeeded")
    tree = page.get_by_role("list", name="Called templates").first
    expect(tree.get_by_role("link")).to_have_count(3)
    expect(page.get_by_text("onSuccess: not-there could not start")).to_be_visible()
    page.get_by_role("tab", name="Trail").click()
    expect(page.get_by_text("it ended otherwise")).to_be_visible()
    page.get_by_role("tab", name="Log").click()
    assert has_no_horizontal_scroll(page)
    tree.get_by_role("link", name="called", exact=True).click()
    expect(page.get_by_role("link", name="called by calling")).to_be_visible()
