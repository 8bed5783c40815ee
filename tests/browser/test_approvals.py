"""The inbox, one approval on a telephone, and what the run form says beforehand."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.reading import has_no_horizontal_scroll
from tests.product import Installation

POLICY = """apiVersion: v1
type: ApprovalPolicy
metadata: {name: everybody}
spec:
  gates: [{name: anyone, approvers: {roles: [admin]}, allowRequester: true, requireReason: true}]
"""
TEMPLATE = """apiVersion: v1
type: AutomationTemplate
metadata: {name: careful}
spec:
  metadata: {displayName: Something careful}
  approvalPolicy: {policyRef: everybody}
  variables: [{id: who, type: string, default: world}]
  template:
    phases: [{name: act, commands: ['echo a-rather-long-command-for-a-telephone --with options "$OPSICLE_VAR_WHO"']}]
"""


@pytest.fixture
def careful(open_page: OpenPage, installation: Installation) -> None:
    page = open_page("/policies")
    page.get_by_role("button", name="Push a policy").click()
    page.get_by_label("Policy (YAML)").fill(POLICY.replace("admin]", "admin], x: 1"))
    page.get_by_role("button", name="Push", exact=True).click()
    expect(page.get_by_text("unknown field `x`")).to_be_visible()
    page.get_by_label("Policy (YAML)").fill(POLICY)
    page.get_by_role("button", name="Push", exact=True).click()
    expect(page.get_by_role("row", name="everybody")).to_be_visible()
    installation.push(TEMPLATE)


@pytest.mark.usefixtures("careful")
def test_one_asks_decides_on_a_telephone_and_it_runs(open_page: OpenPage) -> None:
    page = open_page("/templates/careful/run", width=360)
    expect(page.get_by_text("anyone: alice@example.com must agree")).to_be_visible()
    page.get_by_label("Reason").fill("it hangs")
    page.get_by_role("button", name="Ask to run").click()
    page.get_by_role("link", name="See the approval").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Run Something careful?")
    for text in ("it hangs", "a-rather-long-command", "world", "May decide: alice@example.com"):
        expect(page.get_by_text(text).first).to_be_visible()
    assert has_no_horizontal_scroll(page)
    page.goto("/approvals")
    page.get_by_role("link", name="careful version").click()
    page.get_by_role("button", name="Approve…").click()
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    expect(page.get_by_text("asks for a reason")).to_be_visible()
    page.get_by_role("dialog").get_by_label("Reason").fill("go on")
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    expect(page.locator("h1 ~ .state, .state").first).to_contain_text("approved")
    expect(page.get_by_text("go on")).to_be_visible()
    page.get_by_role("link", name="the automation").click()
    expect(page.locator(".state-succeeded").first).to_be_visible()
    page.get_by_role("link", name="Its approval").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Run Something careful?")
    page.goto("/approvals")
    expect(page.get_by_text("Nothing waits for your decision")).to_be_visible()
