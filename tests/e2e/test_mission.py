"""The whole mission: one asks to change a real target, others decide, a worker runs it.

Whether something has happened is judged outside Opsicle: by the page that nginx serves.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect

from tests.browser.conftest import CHROMIUM, PATIENCE_MS, chromium
from tests.browser.failures import shown_on_failure
from tests.browser.reading import log_in
from tests.built_file import built_file
from tests.e2e.alertmanager import Alertmanager
from tests.e2e.mission import TARGET, WORKER, Asked, Mission, own_worker, shared_worker, stage
from tests.e2e.outsider import Outsider
from tests.product import CHECKOUT
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.namespaces, pytest.mark.timeout(300)]

PLACEMENTS = {"fully-managed": shared_worker, "shared-responsibility": own_worker}
in_one_placement = pytest.mark.parametrize("mission", ["fully-managed"], indirect=True)
"""For what people agree on, and how: that does not depend on whose worker it is."""

OpenPage = Callable[[str], Page]

REFUSED, CONFLICT, INVALID = 10, 5, 2


@pytest.fixture(scope="module", params=PLACEMENTS)
def mission(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mission]:
    """Set up the built file in one placement, for all tests of this module.

    Most commands are the checkout's, which are the same and begin faster.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPSICLE_UNDER_TEST", str(built_file()))
        with stage(tmp_path_factory.mktemp("mission"), PLACEMENTS[request.param]) as made:
            yield made


@pytest.fixture(scope="module")
def browser(mission: Mission, playwright: Playwright) -> Iterator[Browser]:
    """Run a real Chromium where people are."""
    program = mission.folder / "chromium"
    program.write_text(
        f'#!/bin/sh\nexec {" ".join(mission.places["user"].prefix)} {CHROMIUM} "$@"\n'
    )
    program.chmod(0o755)
    with chromium(playwright, str(program)) as browser:
        yield browser


@pytest.fixture
def open_page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[OpenPage]:
    """Return what opens an address in that, as nobody known."""
    contexts: list[BrowserContext] = []
    with shown_on_failure(request) as watch:

        def open_one(url: str) -> Page:
            contexts.append(browser.new_context(ignore_https_errors=True))
            page = contexts[-1].new_page()
            page.set_default_timeout(PATIENCE_MS)
            watch(page)
            page.goto(url)
            return page

        yield open_one
    for context in contexts:
        context.close()


@in_one_placement
def test_the_manager_is_told_by_mail_and_telegram_and_agrees_on_the_page(
    mission: Mission, open_page: OpenPage
) -> None:
    mission.carol.cli("channels", "prefer", "mail", "automation_succeeded", "--on")
    bob = mission.bob
    jobs = mission.push("page-by-browser", approvers={"manager": True}, requireMfa=True)
    outsider = Outsider(mission, mission.gwen)
    asked = mission.ask(jobs, "summer sale", "the sale begins on Monday")
    letter = mission.letter(bob, asked.page)
    for text in (
        mission.carol.email,
        "page-by-browser",
        "the sale begins on Monday",
        "page=summer sale",
        "Org: acme",
    ):
        assert text in letter
    assert "the page shows all of it" in letter
    assert "summer sale" in bob.phone.wait_for("asks to run page-by-browser")["text"]
    outsider.sees_nothing_of(asked, "page-by-browser", "carol", "summer sale")
    page = open_page(asked.page)
    log_in(page, mission.gwen.email)
    expect(page.get_by_text(f"There is no approval {asked.approval}")).to_be_visible()
    outsider.is_told_nothing_by_command_line(asked, "page-by-browser")

    link = next(line for line in letter.splitlines() if line.startswith("https://"))
    page = open_page(link)
    log_in(page, bob.email)
    page.get_by_label("Code of your authenticator app").fill(bob.app.code())
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(
        "Run Change the page that nginx serves?"
    )
    for text in (
        mission.carol.email,
        "the sale begins on Monday",
        "summer sale",
        "-s reload",
        "May decide: bob@",
    ):
        expect(page.get_by_text(text).first).to_be_visible()
    agree(page, "000000")
    expect(page.get_by_role("dialog")).to_contain_text("wrong or has been used")
    assert jobs.page() != "summer sale\n"
    agree(page, bob.app.code(), is_open=True)
    expect(page.locator(".page-title .state")).to_contain_text("approved")

    assert asked.wait() == 0, asked.terminal.log()
    assert "serves the new page" in asked.terminal.log()
    jobs.wait_for_page("summer sale\n")
    assert digest(mission, asked) in mission.worker.process.log()
    mission.letter(mission.carol, "page-by-browser succeeded")
    outsider.sees_nothing_of(asked, "page-by-browser", "carol", "summer sale", "bob")


def test_only_the_workers_side_reaches_the_target_and_nobody_the_worker(mission: Mission) -> None:
    places, port = mission.places, mission.nginx.port
    reach = {name for name, place in places.items() if mission.net.can_connect(place, TARGET, port)}
    assert reach == {"worker", "target"}
    assert not mission.net.can_connect(places["server"], WORKER, 22)


def agree(page: Page, code: str, *, is_open: bool = False) -> None:
    """Press Approve and give this code."""
    if not is_open:
        page.get_by_role("button", name="Approve…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Code of your authenticator app").fill(code)
    dialog.get_by_role("button", name="Approve").click()


def digest(mission: Mission, asked: Asked) -> str:
    """Of the manifest that was agreed to."""
    return str(mission.carol.json("approvals", "show", asked.approval)["manifest_digest"])


def test_the_command_line_alone_is_enough(
    mission: Mission, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = mission.bob
    for who in (mission.ada, bob, mission.carol):
        monkeypatch.setattr(who, "by_checkout", False)
    jobs = mission.push("page-by-hand", approvers={"manager": True}, requireMfa=True)
    asked = mission.ask(jobs, "decided by hand", "as agreed")
    assert asked.approval in [each["id"] for each in bob.json("approvals", "list")]
    shown = bob.cli("approvals", "show", asked.approval)
    for text in (
        mission.carol.email,
        "as agreed",
        "page: decided by hand",
        "-s reload",
        f"may decide: {bob.email}",
    ):
        assert text in shown
    without = bob.attempt("approvals", "approve", asked.approval)
    assert without.returncode == INVALID
    assert "--totp" in without.stderr
    assert jobs.page() != "decided by hand\n"
    bob.cli("approvals", "approve", asked.approval, "--totp", bob.app.code())
    assert asked.wait() == 0, asked.terminal.log()
    jobs.wait_for_page("decided by hand\n")


@in_one_placement
def test_what_is_rejected_does_not_run_and_the_reason_is_told(mission: Mission) -> None:
    jobs = mission.push(
        "page-refused", approvers={"manager": True}, requireMfa=True, requireReason=True
    )
    before = jobs.page()
    asked = mission.ask(jobs, "never seen", "why not")
    bare = mission.bob.attempt(
        "approvals", "reject", asked.approval, "--totp", mission.bob.app.code()
    )
    assert bare.returncode == INVALID
    assert "--reason" in bare.stderr
    code, reason = mission.bob.app.code(), "not on a Friday"
    refused = mission.bob.json(
        "approvals", "reject", asked.approval, "--reason", reason, "--totp", code
    )
    assert refused["state"] == "rejected"
    assert asked.wait() == REFUSED
    assert f"\nrejected by {mission.bob.email}: {reason}\n" in asked.terminal.log()
    mission.letter(mission.carol, "rejected", reason)
    never_ran(mission, asked, "rejected")
    jobs.wait_for_page(before)


def never_ran(mission: Mission, asked: Asked, state: str) -> None:
    """Assert that it ended so, and no worker has had it."""
    ended = mission.carol.json("automations", "show", asked.automation)
    assert (ended["state"], ended["jobs"]) == (state, [])
    assert mission.carol.json("approvals", "show", asked.approval)["state"] == state
    assert asked.automation not in mission.worker.process.log()


@in_one_placement
def test_what_nobody_decides_on_expires(mission: Mission) -> None:
    jobs = mission.push("page-forgotten", approvers={"manager": True}, expiresAfter=3)
    before = jobs.page()
    asked = mission.ask(jobs, "never seen", "whenever you like")
    mission.letter(mission.bob, asked.page)
    assert asked.wait() == REFUSED, asked.terminal.log()
    assert "nobody decided" in asked.terminal.log()
    late = mission.bob.attempt("approvals", "approve", asked.approval)
    assert late.returncode == CONFLICT
    assert "expired" in late.stderr
    mission.letter(
        mission.carol, "page-forgotten", "expired", "nobody decided on gate consent in time"
    )
    never_ran(mission, asked, "expired")
    jobs.wait_for_page(before)


@in_one_placement
def test_after_a_time_others_are_asked_and_may_agree(mission: Mission) -> None:
    dave = mission.approver("dave")
    after = timedelta(seconds=3)
    escalate = [{"after": after.seconds, "to": {"users": [dave.email]}}]
    jobs = mission.push(
        "page-escalated", approvers={"manager": True}, requireMfa=True, escalate=escalate
    )
    asked = mission.ask(jobs, "decided by another", "the manager is on holiday")
    mission.letter(dave, "nobody has decided yet", "the manager is on holiday", asked.page)
    first, later = (mission.told_at(who, asked) for who in (mission.bob, dave))
    assert later - first >= after - timedelta(seconds=1)  # an e-mail's date knows no fractions
    assert asked.approval in [each["id"] for each in dave.json("approvals", "list")]
    dave.cli("approvals", "approve", asked.approval, "--totp", dave.app.code())
    assert asked.wait() == 0, asked.terminal.log()
    jobs.wait_for_page("decided by another\n")


@in_one_placement
def test_two_of_three_agree_one_by_command_line_and_after_a_crash_one_in_telegram(
    mission: Mission,
) -> None:
    dave, erin, frank = (mission.approver(name) for name in ("dave", "erin", "frank"))
    erin.link("bot", mission.phone_user(4712))
    three = [who.email for who in (dave, erin, frank)]
    jobs = mission.push("page-of-two", approvers={"users": three}, required=2, requireMfa=True)
    before = jobs.page()
    asked = mission.ask(jobs, "two agreed", "see the ticket")
    for who in (dave, erin, frank):
        mission.letter(who, asked.page)
    first = dave.json("approvals", "approve", asked.approval, "--totp", dave.app.code())
    assert (first["state"], first["waiting_for"]) == (
        "pending",
        f"consent: 1 of {erin.email}, {frank.email}",
    )
    assert (
        mission.carol.json("automations", "show", asked.automation)["state"] == "awaiting_approval"
    )
    jobs.wait_for_page(before)
    mission.hosting.server.process.kill()
    mission.hosting.server.start()

    message = erin.phone.wait_for("asks to run page-of-two")
    approve, _reject = message["reply_markup"]["inline_keyboard"][0]
    erin.phone.press(approve["callback_data"])
    erin.phone.wait_for("fresh code")
    jobs.wait_for_page(before)
    erin.phone.write(erin.app.code())
    erin.phone.wait_for("Approved.")
    assert asked.wait() == 0, asked.terminal.log()
    jobs.wait_for_page("two agreed\n")
    assert frank.json("approvals", "list") == []
    assert (
        frank.attempt("approvals", "approve", asked.approval, "--totp", frank.app.code()).returncode
        == CONFLICT
    )
    recorded = mission.ada.json(
        "audit", "list", "--resource", f"approvals/{asked.approval}", "--verb", "approve"
    )
    assert {(each["actor_name"], each["channel"]) for each in recorded} == {
        (dave.email, "cli"),
        (erin.email, "telegram"),
    }
    mission.ada.cli("audit", "verify")


@pytest.mark.parametrize("mission", ["shared-responsibility"], indirect=True)
def test_an_alert_starts_a_remediation_that_asks_people_midway_and_leaves_a_report(
    mission: Mission, open_page: OpenPage, tmp_path: Path
) -> None:
    """As examples/alertmanager says, with a real Alertmanager in the client's own network."""
    example = CHECKOUT / "examples/alertmanager"
    ada, bob = mission.ada, mission.bob
    ada.cli("templates", "push", str(example / "clean-logs.yaml"))
    pushed = ada.json("triggers", "push", str(example / "disk-full.yaml"))
    disks = [old_logs(tmp_path / name) for name in ("db1", "db2")]
    secret = mission.file("trigger-secret", pushed["secret"])
    ca = str(mission.hosting.server.folder / "data/ca.pem")
    config = alertmanager_config(example, pushed["url"], secret, ca)

    with Alertmanager(tmp_path / "alertmanager", mission.places["worker"], config) as monitoring:
        first = {"alertname": "DiskFull", "instance": "db1", "folder": str(disks[0])}
        monitoring.fire(**first, device="sda")
        message = bob.phone.wait_for("clean-logs")
        assert "May the files at the end of the log be removed?" in message["text"]
        monitoring.fire(**first, device="sdb")
        (automation,) = ada.json("automations", "list", "--template", "clean-logs")
        assert automation["state"] == "paused"
        assert automation["started_by"] == {"kind": "trigger", "name": "disk-full"}
        assert names(disks[0]) == {"app.log", "app.log.1", "app.log.2.gz"}
        approve, _reject = message["reply_markup"]["inline_keyboard"][0]
        bob.phone.press(approve["callback_data"])
        bob.phone.wait_for("Approved.")
        ada.cli("logs", automation["id"], "--follow")
        assert names(disks[0]) == {"app.log", "app.log.1"}
        report = ada.cli("artifacts", "get", automation["id"], "report.txt", "--to", "-")
        assert f"removed '{disks[0]}/app.log.2.gz'" in report

        monitoring.fire(alertname="DiskFull", instance="db2", folder=str(disks[1]))
        bob.phone.wait_for("clean-logs")
        page = open_page(f"{mission.hosting.server.url}/approvals")
        log_in(page, bob.email)
        page.get_by_label("Code of your authenticator app").fill(bob.app.code())
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("link", name="clean-logs").click()
        assert names(disks[1]) == {"app.log", "app.log.1", "app.log.2.gz"}
        page.get_by_role("button", name="Let it go on").click()
        page.get_by_role("dialog").get_by_role("button", name="Let it go on").click()
        expect(page.locator(".page-title .state")).to_contain_text("approved")

        def outcomes() -> set[str]:
            calls = ada.json("triggers", "calls", "disk-full")
            return {f"{call['outcome']} {call['automation_state']}" for call in calls}

        wanted = {"started succeeded", "duplicate succeeded"}
        wait_until(lambda: outcomes() == wanted, 60, f"{wanted}\n{monitoring.log()}")
        assert names(disks[1]) == {"app.log", "app.log.1"}
        assert pushed["secret"] not in mission.hosting.server.process.log()


def old_logs(folder: Path) -> Path:
    """Make a folder with logs, of which one is old enough to go."""
    folder.mkdir()
    for name in ("app.log", "app.log.1", "app.log.2.gz"):
        (folder / name).write_text("what happened\n")
    month_ago = time.time() - 30 * 86_400
    os.utime(folder / "app.log.2.gz", (month_ago, month_ago))
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def alertmanager_config(example: Path, url: str, secret: str, ca: str) -> str:
    """Return the example's configuration with what is so here, and without its pauses."""
    config = (example / "alertmanager.yml").read_text()
    for written, here in (
        ("https://ops.example.com/hooks/acme/disk-full", url),
        ("/etc/prometheus/opsicle-secret", secret),
        ("/etc/prometheus/opsicle-ca.pem", ca),
        ("group_wait: 10s", "group_wait: 1s"),
        ("group_interval: 5m", "group_interval: 1s"),
    ):
        assert written in config
        config = config.replace(written, here)
    return config
