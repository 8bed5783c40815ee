"""A template that runs on each of several machines, by its pages."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.reading import has_no_horizontal_scroll, wait_for_state
from tests.product import Installation

GATE = "{name: g, approvers: {roles: [admin]}, allowRequester: true}"


def test_its_plan_is_no_failure_and_home_leads_to_the_line_of_a_machine(
    open_page: OpenPage, installation: Installation
) -> None:
    installation.push(
        "apiVersion: v1\ntype: AutomationTemplate\nmetadata: {name: planned-on-each}\nspec:\n"
        "  plan: [{name: look, commands: ['echo looked around']}]\n"
        '  runsOn: {each: {where: "!retired"}}\n'
        "  template: {phases: [{name: act, commands: ['echo the disk is full >&2; exit 3']}]}\n"
    )
    whole = installation.admin.json("run", "planned-on-each")

    page = open_page(f"/automations/{whole['id']}")
    wait_for_state(page, "failed")
    page.reload()

    plan = page.get_by_role("region", name="Log of the plan")
    expect(plan).to_contain_text("looked around")
    expect(page.get_by_role("button", name="Go to line")).to_have_count(0)
    expect(page.get_by_role("table").get_by_role("row", name="edge")).to_contain_text("failed")
    assert has_no_horizontal_scroll(page)

    page.goto("/")
    failed = page.get_by_role("link").filter(has_text="planned-on-each").filter(has_text="disk")
    failed.click()
    part = rf"/automations/(?!{whole['id']})\w+#L\d+$"
    expect(page).to_have_url(re.compile(part))
    expect(page.get_by_role("main")).to_contain_text("the disk is full")


def test_the_machines_are_shown_from_the_approval_to_their_ends(
    open_page: OpenPage, installation: Installation
) -> None:
    installation.push(
        "apiVersion: v1\ntype: AutomationTemplate\nmetadata: {name: on-each}\n"
        f"spec:\n  approvalPolicy: {{spec: {{gates: [{GATE}]}}}}\n"
        '  runsOn: {each: {where: "!retired", parallel: 2}}\n'
        "  template: {phases: [{name: act, commands: ['exit 3']}]}\n"
    )
    page = open_page("/templates/on-each", width=360)
    expect(page.get_by_role("main")).to_contain_text("On each worker with !retired")
    expect(page.get_by_role("main")).to_contain_text("2 at once; once one has not succeeded")
    page.goto("/templates/on-each/run")
    expect(page.get_by_role("main")).to_contain_text("On each worker with !retired")
    whole = installation.admin.json("run", "on-each")

    page.goto(f"/approvals/{whole['approval_id']}")
    expect(page.get_by_role("main")).to_contain_text("Runs on each of")
    page.get_by_role("button", name="Approve…").click()
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    page.goto(f"/automations/{whole['id']}")
    wait_for_state(page, "failed")

    page.set_viewport_size({"width": 1440, "height": 900})
    assert has_no_horizontal_scroll(page)
    page.set_viewport_size({"width": 360, "height": 780})
    table = page.get_by_role("table")
    expect(table.get_by_role("row", name="edge")).to_contain_text("failed")
    expect(table.get_by_role("row", name="edge")).to_contain_text("3")
    expect(page.get_by_role("region", name="Log")).to_be_hidden()
    expect(page.get_by_role("tab", selected=True)).to_have_text("Targets 1")
    assert has_no_horizontal_scroll(page)
    page.get_by_role("tab", name="Timeline").click()
    spans = page.get_by_role("list", name="Timeline").get_by_role("listitem")
    expect(spans.first).to_contain_text("Waited for approval")
    expect(spans.filter(has_text="edge")).to_have_count(1)
    page.get_by_role("tab", name="Targets 1").click()
    page.get_by_role("button", name="Resume…").click()
    expect(page.get_by_role("dialog")).to_contain_text("on what is left: edge")
    page.get_by_role("dialog").get_by_role("button", name="Resume it now").click()
    expect(page.get_by_role("link", name="goes on from an earlier one")).to_be_visible()
    page.go_back()
    table.get_by_role("link", name="edge").click()
    expect(page.get_by_role("link", name="a part of on-each")).to_be_visible()
    installation.push(
        "apiVersion: v1\ntype: AutomationTemplate\nmetadata: {name: outer-each}\n"
        "spec: {template: {phases: [{name: act, call: {template: on-each}}]}}\n"
    )
    outer = installation.admin.json("run", "outer-each")
    page.goto(f"/approvals/{outer['approval_id']}")
    expect(page.get_by_role("main")).to_contain_text("on each of edge")
    page.goto("/")
    waiting = page.get_by_role("list", name="Waits for you", exact=True)
    row = waiting.get_by_role("link", name=re.compile("^failed on-each "))
    expect(row).to_contain_text("it failed on edge")
    expect(row).not_to_contain_text("more")
    page.goto("/automations?template=on-each")
    expect(page.get_by_text("on-each on edge").first).to_be_visible()
    page.goto("/audit?verb=start")
    for who in ("The server", "Worker edge"):
        sentence = page.get_by_text(f"{who} began on-each version 1 on edge", exact=True)
        expect(sentence.first).to_be_visible()
