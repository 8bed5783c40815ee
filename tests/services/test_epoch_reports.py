"""What workers know and their restored server does not.

And what one that lies can do with that: nothing.
"""

from __future__ import annotations

import apsw
import pytest

from opsicle.domain.errors import LeaseLost, Unavailable
from opsicle.domain.manifests import WorkOrder, canonical
from opsicle.security.order_key import OrderKey
from opsicle.server.access.actor import Actor
from opsicle.server.dispatch.epoch_reports import OLDER_COPY, EpochReports
from opsicle.server.dispatch.unknown_jobs import MAX_UNKNOWN_JOBS
from opsicle.server.store import audit, epochs
from opsicle.server.store.epochs import Epoch
from opsicle.server.workers.holds import Hold
from opsicle.wire.jobs import Work
from opsicle.wire.worker_api import (
    MAX_LISTED_JOBS,
    LogRequest,
    RanAutomation,
    RefuseRequest,
    SignedOrder,
)
from tests.services.core import Core, TestWorker
from tests.services.transactions import refused, rows_per_commit

MINE = Epoch(2, "mine")


@pytest.fixture
def hold(core: Core) -> Hold:
    return Hold(core.database, core.fleet, core.clock)


@pytest.fixture
def reports(core: Core, hold: Hold) -> EpochReports:
    return EpochReports(core.database, hold, core.order_key.public, MINE, core.clock)


def proof(core: Core, epoch: int, epoch_id: str, key: OrderKey | None = None) -> SignedOrder:
    now = core.clock.now()
    order = canonical(
        WorkOrder(
            org_id="o",
            worker_id="w",
            automation_id="a",
            job_id="j",
            fence=1,
            nonce="n",
            manifest_digest="d",
            issued_at=now,
            expires_at=now,
            epoch=epoch,
            epoch_id=epoch_id,
        )
    )
    return SignedOrder(order, (key or core.order_key).sign(order))


def verbs(core: Core, org_id: str | None, most: int = 100) -> list[str]:
    rows = core.database.read(
        lambda db: audit.list_entries(db, org_id or "", audit.AuditFilter(), 10**9, most)
    )
    return [row.verb for row in rows]


@pytest.mark.parametrize(("epoch", "epoch_id"), [(3, "later"), (2, "another"), (99, "")])
def test_an_order_of_a_later_epoch_holds_the_queue(
    core: Core, alice: Actor, hold: Hold, reports: EpochReports, epoch: int, epoch_id: str
) -> None:
    worker = core.worker(alice.org_id, "one")

    assert reports.report_newer(worker.actor, proof(core, epoch, epoch_id))
    assert hold.reason == OLDER_COPY
    assert core.database.read(epochs.find_known) == epoch
    assert verbs(core, alice.org_id).count("report_newer_epoch") == 1
    assert reports.report_newer(worker.actor, proof(core, epoch, epoch_id))
    assert verbs(core, alice.org_id).count("report_newer_epoch") == 1


def test_nothing_else_does(core: Core, alice: Actor, hold: Hold, reports: EpochReports) -> None:
    worker = core.worker(alice.org_id, "one")
    anonymous = OrderKey.create()

    for lie in (
        proof(core, 1, "earlier"),
        proof(core, 2, "mine"),
        proof(core, 3, "later", anonymous),
        SignedOrder(b"{", core.order_key.sign(b"{")),
        SignedOrder(b"\xff", core.order_key.sign(b"\xff")),
    ):
        assert not reports.report_newer(worker.actor, lie)
    assert not hold.is_held


def test_what_is_refused_for_its_epoch_waits_again(
    core: Core, alice: Actor, hold: Hold, reports: EpochReports
) -> None:
    core.jobs.report_newer_epoch = reports.report_newer
    worker = core.worker(alice.org_id, "one")
    automation = core.run(alice)
    (work,) = worker.poll().work
    refusal = RefuseRequest(work.fence, "from the past", newer_epoch=proof(core, 3, "later"))

    core.jobs.refuse(worker.actor, work.job_id, refusal)

    assert core.state(alice, automation) == "queued"
    assert worker.poll().work == ()


def test_a_worker_tells_once_what_it_ran_and_only_of_its_own_org(
    core: Core, alice: Actor, hold: Hold, reports: EpochReports
) -> None:
    globex = core.person(core.org("globex"), "gina", alice.role)
    core.push(globex)
    theirs, mine, done = core.run(globex), core.run(alice), core.run(alice)
    core.automations.cancel(alice, done.id)

    worker = core.worker(alice.org_id, "one")
    told = tuple(RanAutomation(each, 1) for each in (theirs.id, mine.id, done.id, "unknown"))

    reports.record_ran(worker.actor, told)
    assert not reports.wants_ran(worker.actor), "nothing was restored"

    hold.hold("held after a restore")
    assert reports.wants_ran(worker.actor)

    reports.record_ran(worker.actor, told)
    reports.record_ran(worker.actor, told)

    assert not reports.wants_ran(worker.actor)
    assert sorted(verb for verb in verbs(core, alice.org_id) if verb.startswith("report")) == [
        "report_ran",
        "report_unknown_automation",
    ]
    assert not [verb for verb in verbs(core, globex.org_id) if verb.startswith("report")]


def test_what_a_worker_ran_is_told_again_after_a_failed_write_and_stands_there_once(
    core: Core, alice: Actor, hold: Hold, reports: EpochReports
) -> None:
    worker = core.worker(alice.org_id, "one")
    hold.hold("held after a restore")
    ours = [core.run(alice).id for _ in range(3)]
    told = tuple(
        RanAutomation(each, 1) for each in (*(f"unknown-{number}" for number in range(120)), *ours)
    )
    with refused(core.database, "report_ran"), pytest.raises(apsw.ConstraintError):
        reports.record_ran(worker.actor, told)
    assert reports.wants_ran(worker.actor)

    reports.record_ran(worker.actor, told)

    assert not reports.wants_ran(worker.actor)
    written = verbs(core, alice.org_id, 500)
    assert (written.count("report_unknown_automation"), written.count("report_ran")) == (120, 3)


def test_what_a_worker_ran_is_recorded_in_small_steps(
    core: Core, alice: Actor, hold: Hold, reports: EpochReports
) -> None:
    worker = core.worker(alice.org_id, "one")
    hold.hold("held after a restore")

    with rows_per_commit(core.database, "audit_entries") as commits:
        reports.record_ran(
            worker.actor,
            tuple(RanAutomation(f"unknown-{each}", 1) for each in range(MAX_LISTED_JOBS)),
        )

    assert sum(commits) == MAX_LISTED_JOBS
    assert max(commits) <= 50


def test_a_worker_is_asked_at_once_what_it_ran_but_only_once(
    core: Core, alice: Actor, hold: Hold, reports: EpochReports
) -> None:
    worker = core.worker(alice.org_id, "one")
    assert not reports.should_answer_at_once(worker.actor)

    hold.hold("held after a restore")
    assert reports.should_answer_at_once(worker.actor)
    assert not reports.should_answer_at_once(worker.actor)
    assert reports.wants_ran(worker.actor)


def an_unknown_job(core: Core, alice: Actor) -> tuple[TestWorker, Work]:
    """Return a worker with a job that runs, and of which the database knows no more."""
    worker = core.worker(alice.org_id, "one", slots=4)
    core.run(alice)
    (work,) = worker.poll().work
    worker.start(work)
    core.database.write(lambda db: db.execute("UPDATE automations SET job_id = NULL"))
    gone = "DROP TRIGGER orders_stay; DELETE FROM orders; DELETE FROM jobs"
    core.database.write(lambda db: db.execute(gone).fetchall())
    return worker, work


def test_a_job_that_is_not_known_may_say_nothing_and_is_not_stopped_while_the_queue_is_held(
    core: Core, alice: Actor, hold: Hold
) -> None:
    worker, work = an_unknown_job(core, alice)
    hold.hold("held after a restore")
    output = LogRequest(fence=work.fence, chunks=((0, 0, 1, 0, b"hello"),))
    sayings = (
        lambda: core.jobs.log(worker.actor, work.job_id, output),
        lambda: worker.finish(work),
        lambda: worker.start(work),
    )
    for say in sayings:
        with pytest.raises(Unavailable, match="not known here"):
            say()
    assert verbs(core, alice.org_id).count("report_unknown_job") == 1
    assert worker.poll().drop == ()

    hold.release(alice)

    for say in sayings:
        with pytest.raises(LeaseLost):
            say()
    assert verbs(core, alice.org_id).count("report_unknown_job") == 1


def test_a_held_server_says_of_anothers_job_what_it_says_of_none(
    core: Core, alice: Actor, hold: Hold
) -> None:
    core.run(alice)
    (work,) = core.worker(alice.org_id, "other").poll().work
    worker = core.worker(alice.org_id, "one")
    hold.hold("held after a restore")
    said = set()

    for job_id in (work.job_id, "0" * len(work.job_id)):
        with pytest.raises(Unavailable) as refused:
            core.jobs.log(worker.actor, job_id, LogRequest(fence=work.fence))
        said.add(refused.value.message.replace(job_id, "ID"))

    assert len(said) == 1


def test_a_job_of_which_the_server_hears_first_by_its_output_is_recorded(
    core: Core, alice: Actor
) -> None:
    worker, work = an_unknown_job(core, alice)

    with pytest.raises(LeaseLost):
        core.jobs.log(worker.actor, work.job_id, LogRequest(fence=work.fence))
    assert verbs(core, alice.org_id).count("report_unknown_job") == 1


def test_an_unknown_job_is_recorded_after_all_when_the_first_try_failed(
    core: Core, alice: Actor
) -> None:
    worker, work = an_unknown_job(core, alice)

    with refused(core.database, "report_unknown_job"), pytest.raises(apsw.ConstraintError):
        worker.poll()
    assert core.fleet.unknown_jobs[worker.actor.worker_id] == []
    assert worker.poll().drop == (work.job_id,)
    assert verbs(core, alice.org_id).count("report_unknown_job") == 1


def test_a_lying_worker_does_not_fill_the_record(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "one")

    for number in range(MAX_UNKNOWN_JOBS + 50):
        with pytest.raises(LeaseLost):
            core.jobs.log(worker.actor, f"made-up-{number}", LogRequest(fence=1))
    assert verbs(core, alice.org_id, 500).count("report_unknown_job") == MAX_UNKNOWN_JOBS


def test_jobs_that_are_not_known_are_reported_and_dropped_unless_the_queue_is_held(
    core: Core, alice: Actor, hold: Hold
) -> None:
    worker, work = an_unknown_job(core, alice)
    hold.hold("held after a restore")

    assert worker.poll().drop == ()
    assert worker.poll().drop == ()
    assert verbs(core, alice.org_id).count("report_unknown_job") == 1

    hold.release(alice)
    assert worker.poll().drop == (work.job_id,)


def test_a_later_epoch_holds_the_queue_even_where_that_cannot_be_recorded(
    core: Core, alice: Actor, hold: Hold, reports: EpochReports
) -> None:
    worker = core.worker(alice.org_id, "one")
    with refused(core.database, "report_newer_epoch"), pytest.raises(apsw.ConstraintError):
        reports.report_newer(worker.actor, proof(core, 3, "later"))
    assert hold.is_held

    assert reports.report_newer(worker.actor, proof(core, 3, "later"))

    assert core.database.read(epochs.find_hold)
    assert verbs(core, alice.org_id).count("report_newer_epoch") == 1
