"""An org that moved to another server comes back to the one that it had left."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from opsicle.domain.automations import JobState
from opsicle.server.store import migrations, orgs
from opsicle.server.store.suspensions import SuspensionRow
from opsicle.wire.jobs import Outcome
from opsicle.wire.worker_api import Enrolment, FinishRequest
from tests.api.moving_orgs import ALICE, export, refused, served, stand, take
from tests.api.running_server import PASSWORD, ApiServer
from tests.api.test_removed_orgs import unreachable

BOB = "bob@example.com"
SAID = b"hello\n"
SAME_PASSWORD = """
UPDATE users SET password_hash = (SELECT password_hash FROM users WHERE email = ?) WHERE email = ?
"""
RENAMED = "UPDATE users SET email = ? WHERE email = ?"
TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: greet}
spec: {template: {phases: [{name: greet, commands: [echo hello]}]}}
"""


@pytest.fixture
def first(prepared_folder: Path, tmp_path: Path) -> Path:
    """Return the server on which acme begins; alice runs it, bob is in no other org."""
    shutil.copytree(prepared_folder, tmp_path / "first")
    with served(tmp_path / "first") as api_server:
        api_server.person("acme", "bob", "operator")
        api_server.state.write(lambda db: db.execute(SAME_PASSWORD, (ALICE, BOB)))
    return tmp_path / "first"


@pytest.fixture
def second(tmp_path: Path, _quick_passwords: None) -> Path:
    """Return the one to which it goes."""
    with served(tmp_path / "second") as api_server:
        body = {"token": api_server.setup_token(), "org": "initech", "email": "ines@example.com"}
        made = api_server.client().post("/api/v1/setup", {**body, "password": PASSWORD})
        assert made.status == 200
    return tmp_path / "second"


def left(folder: Path) -> bytes:
    """Suspend acme, and export it."""
    with served(folder) as api_server:
        now = api_server.clock.now()
        stand(api_server, SuspensionRow(now, "it moves"))
        return export(folder)


def delete(folder: Path) -> None:
    with served(folder) as api_server:
        now = api_server.clock.now()
        stand(api_server, SuspensionRow(now, "it moved", now - timedelta(days=1), "olga"))
        api_server.services.org_removal.turn()
        assert api_server.state.read(lambda db: orgs.find_by_code(db, "acme")) is None


def run_on(api_server: ApiServer, worker: Enrolment) -> str:
    """Let a shared worker carry out what waits, be its log durable or not; the automation's id."""
    actor, (work,) = api_server.poll(worker, "provider")
    api_server.services.jobs.start(actor, work.job_id, work.fence)
    end = FinishRequest(
        fence=work.fence,
        outcome=Outcome(state=JobState.SUCCEEDED, phases=()),
        log_bytes=len(SAID),
        chunks=((0, 0, 1, 0, SAID),),
    )
    api_server.services.jobs.finish(actor, work.job_id, end)
    return work.automation_id


def test_a_shared_worker_that_stayed_behind_does_not_keep_an_org_from_coming_back(
    first: Path, second: Path
) -> None:
    with served(first) as api_server:
        alice = api_server.session(ALICE, "acme")
        assert alice.patch("/api/v1/orgs/acme", {"allows_shared_workers": True}).status == 200
        assert alice.post("/api/v1/templates", {"source": TEMPLATE}).status == 201
        assert alice.post("/api/v1/automations", {"template": "greet"}).status == 201
        pool = api_server.worker("provider", "pool")
        ran = run_on(api_server, pool)
    take(left(first), second)
    delete(first)

    take(left(second), first, links=True)

    with served(first) as api_server:
        stand(api_server, SuspensionRow())
        alice = api_server.session(ALICE, "acme")
        (job,) = alice.get(f"/api/v1/automations/{ran}").json["jobs"]
        assert job["worker"]["name"] == "pool"
        actor, _ = api_server.poll(pool, "provider")
        assert actor.is_shared, "it works for others as before"


def test_the_end_of_a_log_that_a_power_cut_took_comes_along(first: Path, second: Path) -> None:
    with served(first) as api_server:
        alice = api_server.session(ALICE, "acme")
        assert alice.patch("/api/v1/orgs/acme", {"allows_shared_workers": True}).status == 200
        assert alice.post("/api/v1/templates", {"source": TEMPLATE}).status == 201
        assert alice.post("/api/v1/automations", {"template": "greet"}).status == 201
        ran = run_on(api_server, api_server.worker("provider", "pool"))
        stand(api_server, SuspensionRow(api_server.clock.now(), "it moves"))
        shutil.copytree(first, first.parent / "without power")
    (first.parent / "without power" / "logs.db").unlink()  # all of it, and what it had not synced
    for name in ("logs.db-wal", "logs.db-shm"):
        (first.parent / "without power" / name).unlink(missing_ok=True)
    migrations.migrate(first.parent / "without power/logs.db", migrations.LOG_MIGRATIONS)

    take(export(first.parent / "without power"), second)

    with served(second) as api_server:
        api_server.services.log_tails.recover()
        stand(api_server, SuspensionRow())
        log = api_server.session(ALICE, "acme").get(f"/api/v1/automations/{ran}/log")
        assert SAID in log.content


def test_an_org_comes_back_with_what_it_has_done_meanwhile(first: Path, second: Path) -> None:
    take(left(first), second)
    with served(second) as api_server:
        stand(api_server, SuspensionRow())
        bob, alice = (api_server.session(each, "acme") for each in (BOB, ALICE))
        assert alice.post("/api/v1/templates", {"source": TEMPLATE}).status == 201
        ran = bob.post("/api/v1/automations", {"template": "greet"}).json["id"]
        token = alice.post("/api/v1/tokens", {"name": "program"}).json["token"]
        # whoever runs that server calls an account what they like
        api_server.state.write(lambda db: db.execute(RENAMED, ("harmless@example.com", ALICE)))
    back = left(second)

    assert "orgs delete" in refused(back, first, "the org acme is on this server already").hint
    delete(first)
    refused(back, first, f"these addresses have accounts here: {ALICE}")
    report = take(back, first, links=True)

    assert report.linked == (ALICE,)
    with served(first) as api_server:
        stand(api_server, SuspensionRow())
        bob, alice = (api_server.session(each, "acme") for each in (BOB, ALICE))
        assert api_server.login(BOB).get("/api/v1/whoami").status == 200
        (found,) = bob.get("/api/v1/automations").json["items"]
        assert (found["id"], found["requester"]["email"]) == (ran, BOB)
        assert alice.get("/api/v1/whoami").json["role"] == "admin"
        assert alice.get("/api/v1/audit/verify").json["is_intact"]
        assert alice.get("/api/v1/server").status == 200, "she runs this server as before"
        assert api_server.client(token).get("/api/v1/whoami").status == 401
        assert unreachable(api_server) == []
    assert left(first), "it lives here, so it may go again without another word"
