"""A session that ends while a form is filled in takes nothing away, and shows it to nobody."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import is_accessible
from tests.browser.conftest import OpenPage
from tests.browser.reading import log_in, wait_for_state
from tests.product import PASSWORD, Installation, User

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
DECISION_REQUESTS = """apiVersion: v1
type: AutomationTemplate
metadata: {name: asks}
spec:
  approvalPolicy: {policyRef: for-ended-sessions}
  template: {phases: [{name: go, commands: ["true"]}]}
"""
AGAIN = "Log in again"
KEPT = "Here is what you had entered."


@pytest.fixture
def olga(installation: Installation, request: pytest.FixtureRequest) -> User:
    """Return an admin of this test's own, whose sessions the other one ends."""
    name = re.sub("[^a-z]+", "-", request.node.name)[-40:].strip("-")
    return installation.account(f"{name}@example.com", "admin")


def end_sessions(installation: Installation, who: User) -> None:
    installation.admin.cli("users", "logout", who.email)


def fill_in(page: Page) -> None:
    page.get_by_label("Notes").fill("first line\n  second line\n")
    page.get_by_text("rude").click()
    for part in ("one", "three"):
        page.get_by_label(part, exact=True).check()
    page.get_by_label("Pin").fill("a secret value")
    page.get_by_label("Reason").fill("because of a ticket")


def send(page: Page, name: str = "Run now") -> None:
    """Press a button of the page, though the dialog may stand over it already.

    Something else of the page may have found out first that the session has ended.
    """
    page.get_by_role("button", name=name, exact=True).evaluate("button => button.click()")


def type_behind(page: Page, label: str, text: str) -> None:
    """Have a field say something, though the dialog may have the focus already."""
    page.get_by_label(label).evaluate(
        """(field, text) => {
          field.value = text;
          field.dispatchEvent(new Event("input", { bubbles: true }));
        }""",
        text,
    )


def log_in_again(page: Page) -> None:
    """Log in over the page, which knows whose session has ended."""
    dialog = page.get_by_role("dialog", name=AGAIN)
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Log in").click()
    expect(dialog).to_have_count(0)


def leave(page: Page) -> None:
    """Do not log in over the page, but go to the login in its place."""
    page.get_by_role("dialog", name=AGAIN).get_by_role("button", name="Leave this page").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(["Log in"])
    expect(page.get_by_role("dialog")).to_have_count(0)


def come_back(page: Page, who: User) -> None:
    leave(page)
    log_in(page, who.email)


def test_what_was_sent_is_sent_again_after_a_login_over_the_form(
    open_page: OpenPage, installation: Installation, olga: User
) -> None:
    installation.push(FORM)
    page = open_page("/templates/long-form/run", who=olga)
    fill_in(page)
    end_sessions(installation, olga)

    send(page)
    assert is_accessible(page, "dialog")
    expect(page.get_by_role("dialog").get_by_label("E-mail")).to_have_value(olga.email)
    expect(page.get_by_label("Password")).to_be_focused()
    log_in_again(page)

    page.wait_for_url("**/automations/*")
    wait_for_state(page, "succeeded")
    assert runs_of(installation, olga) == ["because of a ticket"]
    assert stored(page) == "null"


def runs_of(installation: Installation, who: User) -> list[str]:
    """Return why this person has run something, each time."""
    return [
        str(each["reason"])
        for each in installation.admin.json("automations", "list")
        if each["requester"]["email"] == who.email
    ]


def test_a_form_is_untouched_by_a_session_that_ended_behind_it(
    open_page: OpenPage, installation: Installation, olga: User
) -> None:
    installation.push(FORM)
    page = open_page("/templates/long-form/run", who=olga)
    fill_in(page)
    end_sessions(installation, olga)

    type_behind(page, "Reason", "another reason")  # the preview asks, or the bell has asked
    page.get_by_role("dialog", name=AGAIN).get_by_label("Password").fill("a wrong password")
    page.get_by_role("dialog").get_by_role("button", name="Log in").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("wrong")
    log_in_again(page)

    expect(page.get_by_label("Notes")).to_have_value("first line\n  second line\n")
    expect(page.get_by_label("rude")).to_be_checked()
    expect(page.get_by_label("Pin")).to_have_value("a secret value")
    expect(page.get_by_label("Reason")).to_have_value("another reason")
    expect(page.get_by_text(KEPT)).to_have_count(0)
    assert runs_of(installation, olga) == []


def test_a_login_in_another_window_is_enough(
    open_page: OpenPage, installation: Installation, olga: User
) -> None:
    installation.push(FORM)
    page = open_page("/templates/long-form/run", who=olga)
    fill_in(page)
    end_sessions(installation, olga)
    send(page)
    page.get_by_role("dialog", name=AGAIN).wait_for()

    other = page.context.new_page()
    other.goto("/login")
    log_in(other, olga.email)
    other.get_by_role("heading", level=1, name="Home").wait_for()
    page.evaluate("dispatchEvent(new Event('focus'))")  # no window has it without a screen

    page.wait_for_url("**/automations/*")
    assert runs_of(installation, olga) == ["because of a ticket"]


def test_a_form_that_was_left_for_the_login_is_filled_in_again(
    open_page: OpenPage, installation: Installation, olga: User
) -> None:
    installation.push(FORM)
    page = open_page("/templates/long-form/run", who=olga)
    fill_in(page)
    end_sessions(installation, olga)

    send(page)
    come_back(page, olga)

    expect(page.get_by_text(KEPT)).to_contain_text("type them again")
    expect(page.get_by_label("Notes")).to_have_value("first line\n  second line\n")
    expect(page.get_by_label("rude")).to_be_checked()
    for part, is_chosen in (("one", True), ("two", False), ("three", True)):
        expect(page.get_by_label(part, exact=True)).to_be_checked(checked=is_chosen)
    expect(page.get_by_label("Reason")).to_have_value("because of a ticket")
    expect(page.get_by_label("Pin")).to_have_value("")
    assert "a secret value" not in stored(page)
    page.goto("/templates/long-form/run")
    expect(page.get_by_label("Notes")).to_have_value("")
    assert stored(page) == "null", "once is enough"
    assert runs_of(installation, olga) == []


def stored(page: Page) -> str:
    """Return all that this tab keeps of forms, as text."""
    return str(page.evaluate("JSON.stringify(sessionStorage.getItem('opsicle.draft'))"))


@pytest.mark.parametrize("is_left", [False, True], ids=["over the form", "in its place"])
def test_somebody_else_who_logs_in_on_that_tab_sees_nothing_of_it(
    open_page: OpenPage, installation: Installation, olga: User, is_left: bool
) -> None:
    installation.push(FORM)
    page = open_page("/templates/long-form/run", who=olga)
    fill_in(page)
    end_sessions(installation, olga)
    send(page)
    page.get_by_role("dialog", name=AGAIN).wait_for()
    if is_left:
        leave(page)
        assert "second line" in stored(page)
        assert "a secret value" not in stored(page)

    log_in(page, installation.admin.email)

    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Run now")).to_be_enabled()
    for label in ("Notes", "Pin", "Reason"):
        expect(page.get_by_label(label)).to_have_value("")
    expect(page.get_by_text(KEPT)).to_have_count(0)
    assert stored(page) == "null"
    assert runs_of(installation, olga) == []


def test_whoever_goes_elsewhere_leaves_nothing_behind(
    open_page: OpenPage, installation: Installation, olga: User
) -> None:
    installation.push(FORM)
    page = open_page("/templates/long-form/run", who=olga)
    fill_in(page)
    end_sessions(installation, olga)
    send(page)
    leave(page)
    page.goto("/login")
    log_in(page, olga.email)
    page.get_by_role("heading", level=1, name="Home").wait_for()
    assert stored(page) == "null"


def test_a_template_that_is_being_written_is_kept(
    open_page: OpenPage, installation: Installation, olga: User
) -> None:
    page = open_page("/push", who=olga)
    written = FORM.replace("long-form", "written-here")
    page.get_by_label("Template (YAML)").fill(written)
    expect(page.get_by_text("No mistakes in written-here")).to_be_visible()
    end_sessions(installation, olga)
    send(page, "Push")
    come_back(page, olga)
    expect(page.get_by_text(KEPT)).to_be_visible()
    expect(page.get_by_label("Template (YAML)")).to_have_value(written)
    page.get_by_role("button", name="Push", exact=True).click()
    page.wait_for_url("**/templates/written-here")


def test_a_policy_that_is_being_written_is_kept(
    open_page: OpenPage, installation: Installation, olga: User
) -> None:
    page = open_page("/policies", who=olga)
    written = POLICY.replace("for-ended-sessions", "written-here-too")
    page.get_by_role("button", name="Push a policy…").click()
    page.get_by_label("Policy (YAML)").fill(written)
    end_sessions(installation, olga)
    send(page, "Push")
    come_back(page, olga)
    expect(page.get_by_role("dialog").get_by_text(KEPT)).to_be_visible()
    expect(page.get_by_label("Policy (YAML)")).to_have_value(written)
    page.get_by_role("button", name="Push", exact=True).click()
    expect(page.get_by_role("row", name="written-here-too")).to_be_visible()


@pytest.mark.parametrize("is_left", [False, True], ids=["over the page", "in its place"])
def test_the_reason_of_a_decision_is_kept(
    open_page: OpenPage,
    installation: Installation,
    olga: User,
    tmp_path_factory: pytest.TempPathFactory,
    is_left: bool,
) -> None:
    policy = tmp_path_factory.mktemp("policy") / "policy.yaml"
    policy.write_text(POLICY)
    installation.admin.cli("policies", "push", str(policy))
    installation.push(DECISION_REQUESTS)
    asked = installation.admin.json("run", "asks")
    page = open_page(f"/approvals/{asked['approval_id']}", who=olga)
    page.get_by_role("button", name="Reject…").click()
    page.get_by_role("dialog").get_by_label("Reason").fill("not on a Friday")
    end_sessions(installation, olga)
    send(page, "Reject")
    if is_left:
        come_back(page, olga)
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_label("Reason")).to_have_value("not on a Friday")
        dialog.get_by_role("button", name="Reject").click()
    else:
        log_in_again(page)
    expect(page.locator(".page-title .state")).to_contain_text("rejected")
    expect(page.get_by_text(re.compile("not on a Friday")).first).to_be_visible()
