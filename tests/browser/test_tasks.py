"""How often one has to press for what people come for, counted as a person presses."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from playwright.sync_api import Locator, expect

from tests.browser.conftest import OpenPage
from tests.browser.test_home import BREAKS
from tests.browser.test_identity import App
from tests.product import Installation
from tests.thin_api import Api

ASKS = """apiVersion: v1
type: AutomationTemplate
metadata: {name: to-approve}
spec:
  approvalPolicy:
    spec: {gates: [{name: lead, approvers: {users: [%s]}, requireMfa: true}]}
  template: {phases: [{name: act, commands: ["true"]}]}
"""
USES = """apiVersion: v1
type: AutomationTemplate
metadata: {name: uses-a-secret}
spec:
  variables: [{id: who, type: string, default: world}]
  template: {phases: [{name: act, secrets: [for-tasks], commands: ['echo "$OPSICLE_VAR_WHO"']}]}
"""


class Presses:
    """Presses what a person would, and counts."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, target: Locator) -> None:
        target.click()
        self.count += 1


def test_a_failure_and_its_line_are_one_press_from_home_and_a_link_to_a_line_needs_no_mouse(
    open_page: OpenPage, installation: Installation
) -> None:
    installation.push(BREAKS.replace("name: breaks", "name: falters"))
    installation.admin.attempt("run", "falters", "--follow")
    page, press = open_page("/"), Presses()
    failed = page.get_by_role("list", name="Waits for you")

    press(failed.get_by_role("link", name=re.compile("falters")))
    chosen = page.locator(".log-row.is-selected")
    expect(chosen).to_contain_text("disk <b>full</b>")

    assert press.count <= 2
    line = int(chosen.locator(".log-number").inner_text())  # the link may lead to none yet
    key, other = ("ArrowUp", line - 1) if line > 1 else ("ArrowDown", line + 1)
    page.get_by_role("group", name="Log lines").focus()
    page.keyboard.press(key)
    page.wait_for_url(re.compile(f"#L{other}$"))
    expect(chosen).not_to_contain_text("disk <b>full</b>")


def test_one_approves_on_a_telephone_with_four_taps_and_a_code(
    open_page: OpenPage, installation: Installation
) -> None:
    lead = installation.person("lead-of-tasks@example.com", "manager")
    installation.push(ASKS % lead.email)
    asked = installation.admin.json("run", "to-approve")
    page = open_page("/", who=lead, width=360)
    app = App(lead.json("totp", "enrol")["secret"])
    lead.cli("totp", "confirm", "--totp", app.code())
    tap, dialog = Presses(), page.get_by_role("dialog")

    tap(page.get_by_role("link", name=re.compile("to-approve")).first)
    tap(page.get_by_role("button", name="Approve…"))
    code = dialog.get_by_label(re.compile("Code"))
    expect(code).to_have_attribute("inputmode", "numeric")
    expect(code).to_have_attribute("autocomplete", "one-time-code")
    code.fill(app.code())
    tap(dialog.get_by_role("button", name="Approve"))
    expect(page.locator(".state").first).to_contain_text("approved")

    assert tap.count <= 4
    assert installation.admin.json("approvals", "show", asked["approval_id"])["state"] == "approved"


def test_a_rerun_with_one_other_value_the_users_of_a_secret_and_what_a_worker_runs(
    open_page: OpenPage, installation: Installation
) -> None:
    with Api(installation.access()) as api:
        secret = {"name": "for-tasks", "value": "correct horse"}
        api.json("POST", "/api/v1/secrets", secret)
        installation.push(USES)
        page = open_page("/")

        press = Presses()
        press(page.get_by_role("link", name="Secrets", exact=True))
        press(page.get_by_role("row", name=re.compile("for-tasks")).get_by_role("button").first)
        users = page.get_by_role("dialog").get_by_role("link", name="uses-a-secret")
        expect(users).to_be_visible()
        assert press.count <= 2
        page.keyboard.press("Escape")
        page.get_by_role("button", name="More for for-tasks", exact=True).click()
        page.get_by_role("button", name="Delete for-tasks").click()
        expect(page.get_by_role("dialog")).to_contain_text("the template uses-a-secret")
        page.keyboard.press("Escape")

        done = installation.admin.json("run", "uses-a-secret", "--follow")
        page.goto(f"/automations/{done['id']}")
        press = Presses()
        press(page.get_by_role("button", name="Run again…"))
        press(page.get_by_role("button", name="Change values first"))
        page.get_by_label("who").fill("Grace")
        press(page.get_by_role("button", name="Run now"))
        page.wait_for_url("**/automations/*")
        assert urlsplit(page.url).path.rpartition("/")[2] != done["id"]
        assert press.count <= 3

        running = api.run("count")
        page.goto("/")
        press = Presses()
        press(page.get_by_role("link", name=re.compile("^edge")))
        expect(page.get_by_role("row", name=re.compile("running count")).first).to_be_visible()
        assert press.count <= 1
        api.json("POST", f"/api/v1/automations/{running}/cancel")
        api.request("DELETE", "/api/v1/secrets/for-tasks")
