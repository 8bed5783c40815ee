"""Ephemeral workers: their identity ends with them, at their word or after long silence."""

from __future__ import annotations

import json

import gevent
import pytest

from opsicle.domain.errors import Conflict, NotAuthenticated
from opsicle.domain.workers import EPHEMERAL_SILENT_SECONDS
from opsicle.security.certificates import WorkerIdentity
from opsicle.server.access.actor import Actor
from opsicle.server.store.rows import fetch_column
from opsicle.server.workers.ephemeral import EphemeralWorkers
from opsicle.wire.worker_api import LEASE_SECONDS, LeaveRequest, PollReply
from tests.services.core import Core, TestWorker
from tests.services.pausing import paused, source
from tests.services.team import Team

SILENT = EPHEMERAL_SILENT_SECONDS


@pytest.fixture
def ephemeral(core: Core) -> EphemeralWorkers:
    return core.services.ephemeral_workers


def worker_of(core: Core, alice: Actor, name: str = "pod") -> TestWorker:
    worker = core.worker(alice.org_id, name)
    make_ephemeral(core, worker)
    return worker


def make_ephemeral(core: Core, worker: TestWorker) -> None:
    query = "UPDATE workers SET is_ephemeral = 1 WHERE id = ?"
    core.database.write(lambda db: db.execute(query, (worker.actor.worker_id,)))


def listed(core: Core, alice: Actor, *, with_revoked: bool = False) -> list[str]:
    page = core.services.workers.list_workers(alice, "", 50, with_revoked=with_revoked)
    return [worker.name for worker in page.items]


def record(core: Core, verb: str) -> list[dict[str, object]]:
    query = "SELECT data FROM audit_entries WHERE verb = :verb"
    found = core.database.read(lambda db: fetch_column(db, query, {"verb": verb}))
    return [json.loads(text) for text in found]


def is_let_in(core: Core, worker: TestWorker) -> bool:
    try:
        core.services.workers.authenticate(
            WorkerIdentity("acme", worker.actor.worker_id, "1"), "10.0.0.1"
        )
    except NotAuthenticated:
        return False
    return True


def test_one_that_leaves_is_let_in_no_more_and_out_of_the_list(
    core: Core, alice: Actor, ephemeral: EphemeralWorkers
) -> None:
    worker = worker_of(core, alice)
    worker.poll()
    assert is_let_in(core, worker)

    ephemeral.leave(worker.actor, LeaveRequest("done"))

    assert not is_let_in(core, worker)
    assert (listed(core, alice), listed(core, alice, with_revoked=True)) == ([], ["pod"])
    assert record(core, "leave") == [{"name": "pod", "reason": "done"}]


def test_one_that_has_a_job_does_not_leave(
    core: Core, alice: Actor, ephemeral: EphemeralWorkers
) -> None:
    worker = worker_of(core, alice)
    core.run(alice)
    worker.poll()

    with pytest.raises(Conflict, match="has a job"):
        ephemeral.leave(worker.actor, LeaveRequest("idle"))
    assert is_let_in(core, worker)


def test_a_worker_that_stays_does_not_leave_and_may_be_silent(
    core: Core, alice: Actor, ephemeral: EphemeralWorkers
) -> None:
    worker = core.worker(alice.org_id, "stays")
    worker.poll()

    with pytest.raises(Conflict, match="not ephemeral"):
        ephemeral.leave(worker.actor, LeaveRequest("done"))
    core.clock.advance(10 * SILENT)

    assert (ephemeral.end_silent(0), listed(core, alice)) == (0, ["stays"])


def test_one_that_died_is_ended_once_it_was_silent_for_long_and_its_job_is_unknown(
    core: Core, alice: Actor, ephemeral: EphemeralWorkers
) -> None:
    worker = worker_of(core, alice)
    automation = core.run(alice)
    [work] = worker.poll().work
    worker.start(work)
    core.clock.advance(LEASE_SECONDS + 1)
    core.services.jobs.check_leases(0)
    core.services.jobs.check_leases(0)
    assert core.state(alice, automation) == "unknown"

    early = ephemeral.end_silent(0)
    core.clock.advance(SILENT)

    assert (early, ephemeral.end_silent(0), listed(core, alice)) == (0, 1, [])
    assert [entry["name"] for entry in record(core, "end_silent")] == ["pod"]
    assert core.automations.get(alice, automation.id).jobs[0].worker.name == "pod"


def test_one_that_never_polled_is_ended_too(
    core: Core, alice: Actor, ephemeral: EphemeralWorkers
) -> None:
    worker_of(core, alice)
    core.clock.advance(SILENT + 1)
    assert (ephemeral.end_silent(0), listed(core, alice)) == (1, [])


def test_one_whose_poll_is_open_is_not_silent_whatever_the_clock_says(
    core: Core, alice: Actor, ephemeral: EphemeralWorkers
) -> None:
    worker = worker_of(core, alice)
    core.clock.advance(SILENT)
    poll = worker.poll_in_background()

    core.clock.step(86_400)

    assert (ephemeral.end_silent(0), listed(core, alice)) == (0, ["pod"])
    core.services.workers.revoke(alice, "pod")
    gevent.joinall([poll])


def test_nobody_is_ended_for_what_a_server_that_was_away_has_not_heard(
    core: Core, alice: Actor
) -> None:
    worker = worker_of(core, alice)
    worker.poll()
    core.clock.advance(10 * SILENT)

    again = core.restart()
    after_start = again.services.ephemeral_workers.end_silent(0)
    again.clock.advance(SILENT)
    after_pause = again.services.ephemeral_workers.end_silent(60.0)

    assert (after_start, after_pause, listed(again, alice)) == (0, 0, ["pod"])
    again.close()


def resuming(core: Core, worker: TestWorker) -> PollReply:
    """Poll as one that has had its jobs does: it takes nothing new."""
    request = worker.request(0)
    request.is_draining = request.resumes_only = True
    return core.dispatch.poll(worker.actor, request)


def test_one_that_has_had_its_job_is_given_no_other(core: Core, alice: Actor) -> None:
    worker = worker_of(core, alice)
    core.run(alice)
    [work] = worker.poll().work
    worker.start(work)
    worker.finish(work)
    waiting = core.run(alice)

    assert resuming(core, worker).work == ()
    assert core.state(alice, waiting) == "queued"


def test_its_job_that_waits_for_people_keeps_it_and_goes_on_with_it(team: Team) -> None:
    case = paused(team, source())
    core, alice, ephemeral = team.core, team.people["alice"], team.core.services.ephemeral_workers
    make_ephemeral(core, case.worker)
    core.run(alice, "paused")
    assert resuming(core, case.worker).work == ()
    with pytest.raises(Conflict):
        ephemeral.leave(case.worker.actor, LeaveRequest("idle"))
    core.clock.advance(SILENT + 1)
    assert ephemeral.end_silent(0) == 0

    case.approve()
    reply = resuming(core, case.worker)

    assert [work.automation_id for work in reply.work] == [case.automation.id]
