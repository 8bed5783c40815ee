"""The inbox, one approval on a telephone, and what the run form says beforehand."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import is_accessible
from tests.browser.conftest import OpenPage
from tests.browser.reading import has_no_horizontal_scroll
from tests.browser.test_settings import FREE, LOST, ZOOMED
from tests.product import Installation

POLICY = """apiVersion: v1
type: ApprovalPolicy
metadata: {name: everybody}
spec:
  gates:
    - name: anyone
      approvers: {roles: [admin]}
      allowRequester: true
      requireReason: true
"""
TEMPLATE = """apiVersion: v1
type: AutomationTemplate
metadata: {name: careful}
spec:
  metadata: {displayName: Something careful}
  approvalPolicy: {policyRef: everybody}
  variables: [{id: who, type: string, default: world}]
  template:
    phases:
      - name: act
        commands: ['echo a-rather-long-command-for-a-telephone --with options "$OPSICLE_VAR_WHO"']
"""


@pytest.fixture(scope="module")
def careful(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("policies") / "everybody.yaml"
    path.write_text(POLICY)
    installation.admin.cli("policies", "push", str(path))
    installation.push(TEMPLATE)


@pytest.mark.usefixtures("careful")
def test_one_asks_decides_on_a_telephone_and_it_runs(
    open_page: OpenPage, installation: Installation
) -> None:
    others = len(installation.admin.json("approvals", "list"))  # left by other tests
    page = open_page("/templates/careful/run", width=360)
    asked = re.compile(r"^anyone: .*alice@example\.com")  # and admins of other tests
    expect(page.get_by_text(asked)).to_be_visible()

    page.get_by_label("Reason").fill("it hangs")
    page.get_by_role("button", name="Ask to run").click()
    page.get_by_role("link", name="See the approval").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("Run Something careful?")
    may_decide = re.compile(r"^May decide: .*alice@example\.com")  # and admins of other tests
    for text in ("it hangs", "a-rather-long-command", "world", may_decide):
        expect(page.get_by_text(text).first).to_be_visible()
    assert has_no_horizontal_scroll(page)

    page.goto("/approvals")
    expect(page).to_have_title(re.compile(rf"^\({others + 1}\) Approvals"))
    waiting = page.get_by_role("link", name="careful version")
    expect(waiting).to_have_count(1)
    waiting.click()
    approve = page.get_by_role("button", name="Approve…")
    expect(approve).to_be_in_viewport(ratio=1)  # without scrolling to it
    box, thumb = approve.bounding_box(), page.locator(".main-nav").bounding_box()
    assert box
    assert thumb
    assert thumb["y"] - 72 < box["y"] + box["height"] <= thumb["y"]
    assert is_accessible(page)
    width, height = ZOOMED["400 %"]
    page.set_viewport_size({"width": width, "height": height})
    assert page.evaluate(FREE) > 2 / 3  # what is decided about is to be read: nothing sticks
    assert page.evaluate(LOST) == []
    approve.click()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method))
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    expect(page.get_by_text("is required")).to_be_visible()
    assert "POST" not in asked
    assert is_accessible(page, "dialog")
    page.get_by_role("dialog").get_by_label("Reason").fill("go on")
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()

    expect(page.locator("h1 ~ .state, .state").first).to_contain_text("approved")
    expect(page.get_by_text("go on")).to_be_visible()

    page.get_by_role("link", name="the automation").click()
    expect(page.locator(".state-succeeded").first).to_be_visible()
    page.get_by_role("tab", name="Trail").click()
    expect(page.get_by_text("The code that binds the decision to the manifest")).to_be_visible()
    expect(page.get_by_text("It names the manifest that was agreed to.")).to_be_visible()
    page.get_by_role("link", name="Its approval").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Run Something careful?")

    page.goto("/approvals")
    count = rf"\({others}\) " if others else ""
    expect(page).to_have_title(re.compile(f"^{count}Approvals"))
    expect(waiting).to_have_count(0)
    empty = {"items": [], "next_cursor": None}
    page.route(re.compile("whose=inbox"), lambda route: route.fulfill(json=empty))
    page.reload()
    expect(page.get_by_text("Nothing waits for your decision")).to_be_visible()


@pytest.mark.usefixtures("careful")
def test_one_asks_who_would_have_to_agree_and_nothing_runs(
    open_page: OpenPage, installation: Installation
) -> None:
    installation.account("dana-would-ask@example.com", "member")
    before = installation.admin.json("automations", "list")
    page = open_page("/policies")
    page.get_by_role("button", name="Who would agree…").click()
    dialog = page.get_by_role("dialog")

    dialog.get_by_label("If this template were run").select_option("careful")
    dialog.get_by_label("By").select_option("dana-would-ask@example.com")

    expect(dialog.get_by_text(re.compile(r"^anyone: .*alice@example\.com"))).to_be_visible()
    assert is_accessible(page, "dialog")
    dialog.get_by_label("If this template were run").select_option("greet")
    expect(dialog.get_by_text("Nobody has to agree.")).to_be_visible()
    assert installation.admin.json("automations", "list") == before


TWO_GATES = """apiVersion: v1
type: AutomationTemplate
metadata: {name: two-gates}
spec:
  approvalPolicy:
    spec:
      order: sequential
      gates:
        - {name: desk, approvers: {users: [alice@example.com]}, allowRequester: true}
        - {name: operations, approvers: {users: [%s]}}
  template: {phases: [{name: act, commands: ["true"]}]}
"""


def test_who_has_agreed_reads_who_comes_next(
    open_page: OpenPage, installation: Installation
) -> None:
    next_one = installation.person("operations@example.com", "approver")
    installation.push(TWO_GATES % next_one.email)
    asked = installation.admin.json("run", "two-gates")
    page = open_page(f"/approvals/{asked['approval_id']}")

    page.get_by_role("button", name="Approve…").click()
    expect(page.get_by_label("Reason optional")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()

    expect(page.locator("main").get_by_text("You approved; operations comes next.")).to_be_visible()
    next_one.cli("approvals", "approve", str(asked["approval_id"]))
    expect(page.get_by_text("comes next.")).to_have_count(0)


@pytest.mark.usefixtures("careful")
def test_one_agrees_to_a_window_on_the_page_and_in_a_terminal(
    open_page: OpenPage, installation: Installation
) -> None:
    admin, ask = installation.admin, ("run", "careful")
    asked = admin.json(*ask)
    page = open_page(f"/approvals/{asked['approval_id']}")

    page.get_by_role("button", name="Approve…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("at night")
    dialog.get_by_label("Not before").fill("2000-01-02T22:00")
    dialog.get_by_label("Not after").fill("2000-01-01T22:00")
    dialog.get_by_role("button", name="Approve").click()
    expect(dialog.get_by_text("this time has passed")).to_be_visible()
    dialog.get_by_label("Not after").fill("2100-01-03T22:00")
    dialog.get_by_role("button", name="Approve").click()

    expect(page.get_by_text("It may begin not before 2000-01-02")).to_be_visible()

    asked = admin.json(*ask)
    decided = ("approvals", "approve", asked["approval_id"], "--reason", "later", "--not-before")
    for wrong in ("tonight", "999999w"):
        assert f"'{wrong}' is no time" in admin.attempt(*decided, wrong).stderr
    assert "may begin" in admin.cli("-o", "table", *decided, "2h")
    page.goto(f"/automations/{asked['id']}")
    expect(page.get_by_text("set by alice@example.com")).to_be_visible()
    admin.cli("automations", "cancel", asked["id"])


PLANNED = """apiVersion: v1
type: AutomationTemplate
metadata: {name: planned}
spec:
  approvalPolicy: {policyRef: everybody}
  plan:
    - name: look
      outputs: [changes]
      commands:
        - echo "3 to add"
        - echo "changes=3" >> "$OPSICLE_OUTPUT"
        - echo "**It adds three.**" >> "$OPSICLE_SUMMARY"
  template: {phases: [{name: act, commands: ['echo "adding $OPSICLE_OUTPUT_CHANGES"']}]}
"""


@pytest.mark.usefixtures("careful")
def test_who_agrees_is_shown_what_the_plan_found_and_just_then_the_rest_runs(
    open_page: OpenPage, installation: Installation
) -> None:
    admin = installation.admin
    installation.push(PLANNED)
    following = admin.start("follow", "run", "planned", "--follow")
    following.wait_for("3 to add")
    [asked] = admin.json("automations", "list", "--template", "planned")

    page = open_page(f"/automations/{asked['id']}", width=360)
    expect(page.locator(".phase").first).to_contain_text("plan")
    page.get_by_role("link", name="See the approval").click()

    expect(page.get_by_role("heading", name="What its plan has shown")).to_be_visible()
    expect(page.get_by_label("Log of the plan")).to_contain_text("3 to add")
    expect(page.get_by_text('echo "3 to add"')).to_be_visible()
    expect(page.get_by_role("strong").filter(has_text="It adds three.")).to_be_visible()
    assert has_no_horizontal_scroll(page)
    approval_id = page.url.rpartition("/")[2]
    shown = admin.cli("-o", "table", "approvals", "show", approval_id)
    assert "| 3 to add" in shown
    assert "changes=3" in shown

    admin.cli("approvals", "approve", approval_id, "--reason", "fine", "--not-before", "3s")
    following.wait_for("adding 3")
    assert following.popen.wait(timeout=60) == 0
    assert "queued: not before" in following.log()

    page.goto("/templates/planned/run")
    page.locator("summary").filter(has_text="phases").click()  # folded on a telephone
    expect(page.get_by_text("Its plan runs first")).to_be_visible()


ORG_RULES = """apiVersion: v1
type: ApprovalPolicy
metadata: {name: house-rules}
spec:
  appliesTo: [{labels: {team: [payments]}, runsOn: {site: [payments-only]}}]
  gates: [{name: cashier, approvers: {users: [cashier@example.com]}}]
"""
PAYMENTS = """apiVersion: v1
type: AutomationTemplate
metadata: {name: pay, labels: {team: payments}}
spec:
  runsOn: {labels: {site: payments-only}}
  template: {phases: [{name: act, commands: [echo paid]}]}
"""


def test_a_policy_that_applies_by_itself_is_said_and_so_is_an_approval_that_nobody_can_give(
    open_page: OpenPage, installation: Installation
) -> None:
    installation.account("cashier@example.com", "approver")
    page = open_page("/policies")
    page.get_by_role("button", name="Push a policy").click()
    page.get_by_label("Policy (YAML)").fill(ORG_RULES.replace("gates: [{", "gates: [{x: 1, "))
    page.get_by_role("button", name="Push", exact=True).click()
    expect(page.get_by_text("unknown field `x`")).to_be_visible()
    page.get_by_label("Policy (YAML)").fill(ORG_RULES)
    page.get_by_role("button", name="Push", exact=True).click()
    expect(page.get_by_role("row", name="house-rules")).to_contain_text("applies by itself")
    installation.push(PAYMENTS)
    page.goto("/templates/pay/run")
    expect(page.get_by_text("house-rules applies by itself")).to_be_visible()
    expect(page.get_by_text("cashier: cashier@example.com must agree")).to_be_visible()
    page.get_by_role("button", name="Ask to run").click()
    expect(page.get_by_text("cashier: 1 of cashier@example.com")).to_be_visible()

    assert "careful" not in installation.admin.cli(
        "users", "update", "cashier@example.com", "--disable"
    )

    expect(page.get_by_text("nobody can give this approval now")).to_be_visible()
    page.get_by_role("link", name="See the approval").click()
    expect(page.get_by_text("Nobody can give this approval now")).to_be_visible()
    assert has_no_horizontal_scroll(page)
    # It would be asked in all other tests too.
    installation.admin.cli("policies", "delete", "house-rules")
