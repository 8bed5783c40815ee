"""Enrolling an authenticator app, logging in with it, and showing a fresh code."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from opsicle.security import totp
from tests.browser.conftest import OpenPage
from tests.browser.reading import log_in, wait_for_state
from tests.product import PASSWORD, Installation, User

CODED = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: coded}
spec:
  requireMfa: true
  notify: [{states: [timed_out], groups: [sre], chats: [{channel: telegram, id: 7}]}]
  template: {phases: [{name: go, commands: ["true"]}]}
"""


class App:
    """An authenticator app whose second code is that of the next step, so that nobody waits."""

    def __init__(self, secret: str) -> None:
        self._seed = base64.b32decode(secret)
        self._step = 0

    def code(self) -> str:
        self._step = max(self._step + 1, totp.step_of(datetime.now(UTC)))
        return totp.code(self._seed, self._step)


def person(installation: Installation, request: pytest.FixtureRequest, role: str) -> User:
    """Somebody of this test's own."""
    return installation.person(f"{request.node.name.replace('_', '-')[:40]}@example.com", role)


def test_an_app_is_enrolled_and_then_logging_in_asks_for_its_code(
    open_page: OpenPage, installation: Installation, request: pytest.FixtureRequest
) -> None:
    bob = person(installation, request, "member")
    page = open_page("/profile", who=bob)
    page.get_by_role("button", name="Enrol an app…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("img", name="QR code for the authenticator app")).to_be_visible()
    app = App(dialog.locator(".totp-secret code").inner_text())
    code = dialog.get_by_label("Code that the app shows")
    code.fill("000")
    dialog.get_by_role("button", name="Confirm").click()
    expect(dialog.locator(".field-error").first).to_contain_text("wrong")
    code.fill(app.code())
    dialog.get_by_role("button", name="Confirm").click()
    codes = page.locator(".command-line").inner_text().split()
    assert len(codes) == totp.RECOVERY_CODES
    expect(page.locator("main")).to_contain_text("10 recovery codes left")

    page.get_by_label(f"Account of {bob.email}").click()
    page.get_by_role("button", name="Log out").click()
    log_in(page, bob.email)
    field = page.get_by_label("Code of your authenticator app")
    expect(field).to_be_focused()
    field.fill("000")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("wrong or has been used")
    expect(field).to_have_attribute("inputmode", "numeric")
    expect(field).to_have_attribute("autocomplete", "one-time-code")
    page.get_by_role("button", name="type one of your recovery codes").click()
    expect(field).to_have_attribute("inputmode", "text")  # they have letters
    field.fill(codes[0])
    page.get_by_role("button", name="Log in").click()
    page.get_by_label(f"Account of {bob.email}").wait_for()
    page.goto("/profile")
    expect(page.locator("main")).to_contain_text("9 recovery codes left")


def test_a_change_that_needs_a_fresh_code_asks_for_it_and_goes_on(
    open_page: OpenPage, installation: Installation, request: pytest.FixtureRequest
) -> None:
    carol = person(installation, request, "member")
    page = open_page("/tokens", who=carol)
    app = App(carol.json("totp", "enrol")["secret"])
    carol.json("totp", "confirm", "--totp", app.code())
    page.get_by_role("button", name="New token…").click()
    page.get_by_label("Name").fill("nightly")
    page.get_by_role("button", name="Make the token").click()
    asked = page.get_by_role("dialog", name="Is it you?")
    asked.get_by_label("Code of your authenticator app").fill("000")
    asked.get_by_role("button", name="Go on").click()
    expect(asked.locator(".field-error").first).to_contain_text("wrong")
    asked.get_by_label("Code of your authenticator app").fill(app.code())
    asked.get_by_role("button", name="Go on").click()
    expect(page.locator(".command-line")).to_contain_text("opsu_")


def test_a_template_that_asks_for_a_code_says_so_beforehand_and_then_asks_for_it(
    open_page: OpenPage, installation: Installation, request: pytest.FixtureRequest
) -> None:
    installation.push(CODED)
    mona = person(installation, request, "member")
    page = open_page("/templates/coded", who=mona)
    expect(page.locator("main")).to_contain_text("shows a fresh code of their authenticator app")
    expect(page.locator("main")).to_contain_text("group sre, telegram room 7 (timed out)")
    page.goto("/templates/coded/run")
    expect(page.locator("main")).to_contain_text(
        "It asks for a fresh code of your authenticator app"
    )
    page.get_by_role("button", name="Run now").click()
    expect(page.locator("main")).to_contain_text("you have none")
    app = App(mona.json("totp", "enrol")["secret"])
    mona.json("totp", "confirm", "--totp", app.code())
    page.get_by_role("button", name="Run now").click()
    asked = page.get_by_role("dialog", name="Is it you?")
    asked.get_by_label("Code of your authenticator app").fill(app.code())
    asked.get_by_role("button", name="Go on").click()
    wait_for_state(page, "succeeded")


def test_a_session_is_ended_and_the_password_changed_on_the_profile(
    open_page: OpenPage, installation: Installation, request: pytest.FixtureRequest
) -> None:
    dave = person(installation, request, "member")
    page = open_page("/profile", who=dave)
    page.get_by_role("button", name=re.compile("End Command line at")).click()
    page.get_by_role("button", name="End the session").click()
    expect(page.locator(".table tbody tr")).to_have_count(1)
    assert dave.attempt("whoami").returncode == 3
    new = f"{PASSWORD} and more"
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New password", exact=True).fill(new)
    page.get_by_label("New password again").fill(new)
    page.get_by_role("button", name="Change the password").click()
    expect(page.locator("main")).to_contain_text("The password is changed")


def test_a_reset_link_sets_a_new_password(
    open_page: OpenPage, installation: Installation, request: pytest.FixtureRequest
) -> None:
    erin = person(installation, request, "member")
    link = installation.admin.json("users", "reset", erin.email)["url"]
    page = open_page(link.partition(installation.server.url)[2], is_known=False)
    assert "token" not in page.url
    new = f"{PASSWORD} anew"
    page.get_by_label("New password", exact=True).fill(new)
    page.get_by_label("New password again").fill(new)
    page.get_by_role("button", name="Set the password").click()
    page.get_by_role("link", name="Log in").click()
    log_in(page, erin.email, new)
    page.get_by_role("heading", level=1, name="Home").wait_for()


def test_the_org_at_the_top_leads_to_ones_other_orgs(
    open_page: OpenPage, installation: Installation, request: pytest.FixtureRequest
) -> None:
    erin = person(installation, request, "member")
    installation.admin.cli(
        "orgs", "create", "initech", "--name", "Initech Ltd.", "--admin", erin.email
    )
    page = open_page("/login", is_known=False)
    log_in(page, erin.email)
    field = page.get_by_label("Org", exact=True)
    expect(field).to_be_focused()
    expect(page.locator("form")).to_contain_text("acme, initech")
    field.fill("acme")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", level=1, name="Home").wait_for()

    page.get_by_label("Org acme: switch").click()
    page.get_by_role("link", name="Initech Ltd.").click()
    page.get_by_label("Org initech: switch").wait_for()
    page.get_by_label(f"Account of {erin.email}").click()
    expect(page.locator(".menu-list").last).to_contain_text("admin in initech")


def test_an_invitation_is_made_on_the_people_page_and_accepted_by_its_link(
    open_page: OpenPage, installation: Installation, request: pytest.FixtureRequest
) -> None:
    email = f"{request.node.name.replace('_', '-')[:40]}@example.com"
    people = open_page("/people")
    people.get_by_role("button", name="Invite a person…").click()
    dialog = people.get_by_role("dialog")
    expect(dialog.get_by_label("Send it to them by e-mail")).to_be_disabled()  # there is no channel
    dialog.get_by_label("E-mail", exact=True).fill(email)
    dialog.get_by_role("button", name="Invite", exact=True).click()
    link = people.locator(".command-line").inner_text()
    people.get_by_role("button", name="Back").last.click()
    expect(people.get_by_label("Open invitations")).to_contain_text(email)

    page = open_page(link, is_known=False)
    expect(page.get_by_role("heading", level=1)).to_have_text("Join acme")
    assert "token" not in page.url
    page.get_by_label("Your name").fill("New Person")
    page.get_by_label("New password", exact=True).fill(PASSWORD)
    page.get_by_label("New password again").fill(PASSWORD)
    page.get_by_role("button", name="Join acme").click()
    page.get_by_label(f"Account of {email}").wait_for()
    people.reload()
    expect(people.locator("main")).to_contain_text("New Person")


def test_an_invitation_goes_out_by_e_mail_where_there_is_a_channel_and_says_why_it_did_not(
    open_page: OpenPage, installation: Installation, request: pytest.FixtureRequest
) -> None:
    """The server lets channels reach public addresses alone, so this one gets nothing out."""
    email = f"{request.node.name.replace('_', '-')[:40]}@example.com"
    admin = installation.admin
    config = ("--set", "host=127.0.0.1", "--set", "sender=opsicle@example.com")
    admin.cli("channels", "create", "letters", "--kind", "email", *config)
    try:
        people = open_page("/people")
        people.get_by_role("button", name="Invite a person…").click()
        dialog = people.get_by_role("dialog")
        expect(dialog.get_by_label("Send it to them by e-mail")).to_be_checked()
        dialog.get_by_label("E-mail", exact=True).fill(email)
        dialog.get_by_role("button", name="Invite", exact=True).click()
        row = people.get_by_label("Open invitations").get_by_role("row").filter(has_text=email)
        expect(row).to_contain_text("retrying")
        expect(people.locator(".command-line")).to_have_count(0)

        row.get_by_role("button", name=f"More for {email}", exact=True).click()
        people.get_by_role("button", name=f"New link for {email}", exact=True).click()
        expect(dialog.get_by_text("The latest messages of the channel letters")).to_be_visible()
        box = dialog.get_by_label(f"Send it by e-mail to {email}")
        expect(box).not_to_be_checked()
        dialog.get_by_role("button", name="Make the link").click()
        expect(people.locator(".command-line")).to_contain_text("/invitation#token=")
        people.get_by_role("button", name="Back").last.click()
        expect(row).to_contain_text("not by e-mail")
    finally:
        admin.cli("channels", "delete", "letters")
        for each in admin.json("users", "invitations"):
            admin.cli("users", "uninvite", each["id"])
