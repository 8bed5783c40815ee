"""A session that ends while a form is filled in takes nothing away, and shows it to nobody."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.reading import log_in, wait_for_state
from tests.product import Installation, User

FORM = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: long-form}
spec:
  variables:
    - {id: notes, label: Notes, type: text}
    - {id: tone, label: Tone, type: enum, options: [polite, rude], default: polite}
    - {id: parts, label: Parts, type: enum, options: [one, two, three], multiple: true}
    - {id: pin, label: Pin, type: secret, isRequired: true}
  template: {phases: [{name: go, commands: ['printf "%s" "$OPSICLE_VAR_NOTES"']}]}
"""
POLICY = """apiVersion: v1
type: ApprovalPolicy
metadata: {name: for-ended-sessions}
spec: {gates: [{name: anyone, approvers: {roles: [admin]}}]}
"""
ASKING = """apiVersion: v1
type: AutomationTemplate
metadata: {name: asks}
spec:
  approvalPolicy: {policyRef: for-ended-sessions}
  template: {phases: [{name: go, commands: ["true"]}]}
"""
KEPT = "Here is what you had entered."


@pytest.fixture
def olga(installation: Installation, request: pytest.FixtureRequest) -> User:
    """Return an admin of this test's own, whose sessions the other one ends."""
    return installation.person(f"{request.node.name.replace('_', '-')[:40]}@example.com", "admin")


def page_of(open_page: OpenPage, who: User, path: str) -> Page:
    page = open_page("/login", is_known=False)
    log_in(page, who.email)
    page.get_by_role("heading", level=1, name="Home").wait_for()
    page.goto(path)
    page.get_by_role("heading", level=1).first.wait_for()
    return page


def end_sessions(installation: Installation, who: User) -> None:
    installation.admin.cli("users", "logout", who.email)


def fill_in(page: Page) -> None:
    page.get_by_label("Notes").fill("first line\n  second line\n")
    page.get_by_text("rude").click()
    for part in ("one", "three"):
        page.get_by_label(part, exact=True).check()
    page.get_by_label("Pin").fill("a secret value")
    page.get_by_label("Reason").fill("because of a ticket")


def come_back(page: Page, who: User) -> None:
    page.get_by_role("heading", name="Log in").wait_for()
    expect(page.get_by_role("dialog")).to_have_count(0)
    log_in(page, who.email)


def test_a_form_to_run_something_is_as_it_was_and_one_press_runs_it_once(
    open_page: OpenPage, installation: Installation, olga: User
) -> None:
    installation.push(FORM)
    page = page_of(open_page, olga, "/templates/long-form/run")
    fill_in(page)
    end_sessions(installation, olga)

    page.get_by_role("button", name="Run now").click()
    come_back(page, olga)

    expect(page.get_by_text(KEPT)).to_contain_text("type them again")
    expect(page.get_by_label("Notes")).to_have_value("first line\n  second line\n")
    expect(page.get_by_label("rude")).to_be_checked()
    for part, is_chosen in (("one", True), ("two", False), ("three", True)):
        expect(page.get_by_label(part, exact=True)).to_be_checked(checked=is_chosen)
    expect(page.get_by_label("Reason")).to_have_value("because of a ticket")
    expect(page.get_by_label("Pin")).to_have_value("")
    assert "a secret value" not in stored(page)
    page.get_by_label("Pin").fill("a secret value")
    page.get_by_role("button", name="Run now").click()
    page.wait_for_url("**/automations/*")
    wait_for_state(page, "succeeded")
    listed = [
        each
        for each in installation.admin.json("automations", "list")
        if each["template"] == "long-form"
    ]
    assert [each["reason"] for each in listed] == ["because of a ticket"]
    page.goto("/templates/long-form/run")
    expect(page.get_by_label("Notes")).to_have_value("")
    assert stored(page) == "null", "once is enough"


def stored(page: Page) -> str:
    """Return all that this tab keeps of forms, as text."""
    return str(page.evaluate("JSON.stringify(sessionStorage.getItem('opsicle.draft'))"))


def test_somebody_else_who_logs_in_on_that_tab_sees_nothing_of_it(
    open_page: OpenPage, installation: Installation, olga: User
) -> None:
    installation.push(FORM)
    page = page_of(open_page, olga, "/templates/long-form/run")
    fill_in(page)
    end_sessions(installation, olga)
    page.get_by_role("button", name="Run now").click()
    page.get_by_role("heading", name="Log in").wait_for()
    assert "second line" in stored(page)
    assert "a secret value" not in stored(page)

    log_in(page, installation.admin.email)

    expect(page.get_by_label("Notes")).to_have_value("")
    expect(page.get_by_text(KEPT)).to_have_count(0)
    assert stored(page) == "null"


def test_whoever_goes_elsewhere_leaves_nothing_behind(
    open_page: OpenPage, installation: Installation, olga: User
) -> None:
    installation.push(FORM)
    page = page_of(open_page, olga, "/templates/long-form/run")
    fill_in(page)
    end_sessions(installation, olga)
    page.get_by_role("button", name="Run now").click()
    page.get_by_role("heading", name="Log in").wait_for()
    page.goto("/login")
    log_in(page, olga.email)
    page.get_by_role("heading", level=1, name="Home").wait_for()
    assert stored(page) == "null"


def test_a_template_that_is_being_written_is_kept(
    open_page: OpenPage, installation: Installation, olga: User
) -> None:
    page = page_of(open_page, olga, "/push")
    written = FORM.replace("long-form", "written-here")
    page.get_by_label("Template (YAML)").fill(written)
    expect(page.get_by_text("No mistakes in written-here")).to_be_visible()
    end_sessions(installation, olga)
    page.get_by_role("button", name="Push", exact=True).click()
    come_back(page, olga)
    expect(page.get_by_text(KEPT)).to_be_visible()
    expect(page.get_by_label("Template (YAML)")).to_have_value(written)
    page.get_by_role("button", name="Push", exact=True).click()
    page.wait_for_url("**/templates/written-here")


def test_a_policy_that_is_being_written_is_kept(
    open_page: OpenPage, installation: Installation, olga: User
) -> None:
    page = page_of(open_page, olga, "/policies")
    written = POLICY.replace("for-ended-sessions", "written-here-too")
    page.get_by_role("button", name="Push a policy…").click()
    page.get_by_label("Policy (YAML)").fill(written)
    end_sessions(installation, olga)
    page.get_by_role("button", name="Push", exact=True).click()
    come_back(page, olga)
    expect(page.get_by_role("dialog").get_by_text(KEPT)).to_be_visible()
    expect(page.get_by_label("Policy (YAML)")).to_have_value(written)
    page.get_by_role("button", name="Push", exact=True).click()
    expect(page.get_by_role("row", name="written-here-too")).to_be_visible()


def test_the_reason_of_a_decision_is_kept(
    open_page: OpenPage,
    installation: Installation,
    olga: User,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    policy = tmp_path_factory.mktemp("policy") / "policy.yaml"
    policy.write_text(POLICY)
    installation.admin.cli("policies", "push", str(policy))
    installation.push(ASKING)
    asked = installation.admin.json("run", "asks")
    page = page_of(open_page, olga, f"/approvals/{asked['approval_id']}")
    page.get_by_role("button", name="Reject…").click()
    page.get_by_role("dialog").get_by_label("Reason").fill("not on a Friday")
    end_sessions(installation, olga)
    page.get_by_role("dialog").get_by_role("button", name="Reject").click()
    come_back(page, olga)
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Reason")).to_have_value("not on a Friday")
    dialog.get_by_role("button", name="Reject").click()
    expect(page.locator(".page-title .state")).to_contain_text("rejected")
    expect(page.get_by_text(re.compile("not on a Friday")).first).to_be_visible()
