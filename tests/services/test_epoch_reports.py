"""What workers know and their restored server does not; and what one that lies can do with that: nothing."""

from __future__ import annotations

import pytest

from opsicle.domain.manifests import WorkOrder, canonical
from opsicle.security.order_key import OrderKey
from opsicle.server.access.actor import Actor
from opsicle.server.dispatch.epoch_reports import OLDER_COPY, EpochReports
from opsicle.server.store import audit, epochs
from opsicle.server.store.epochs import Epoch
from opsicle.server.workers.holds import Hold
from opsicle.wire.worker_api import RanAutomation, RefuseRequest, SignedOrder
from tests.services.core import Core

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


def verbs(core: Core, org_id: str | None) -> list[str]:
    rows = core.database.read(lambda db: audit.list_entries(db, org_id or "", audit.AuditFilter(), 10**9, 100))
    return [row.verb for row in rows]


@pytest.mark.parametrize(("epoch", "epoch_id"), [(3, "later"), (2, "another"), (99, "")])
def test_an_order_of_a_later_epoch_holds_the_queue(
    core: Core, alice: Actor, hold: Hold, reports: EpochReports, epoch: int, epoch_id: str
) -> None:
    worker = core.worker(alice.org_id, "one")
    assert reports.hear_newer(worker.actor, proof(core, epoch, epoch_id))
    assert hold.reason == OLDER_COPY
    assert core.database.read(epochs.find_known) == epoch
    assert verbs(core, alice.org_id).count("report_newer_epoch") == 1
    assert reports.hear_newer(worker.actor, proof(core, epoch, epoch_id))
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
        assert not reports.hear_newer(worker.actor, lie)
    assert not hold.is_held


def test_what_is_refused_for_its_epoch_waits_again(core: Core, alice: Actor, hold: Hold, reports: EpochReports) -> None:
    core.jobs.hear_newer_epoch = reports.hear_newer
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
    reports.hear_ran(worker.actor, told)
    assert not reports.wants_ran(worker.actor), "nothing was restored"
    hold.hold("held after a restore")
    assert reports.wants_ran(worker.actor)

    reports.hear_ran(worker.actor, told)
    reports.hear_ran(worker.actor, told)

    assert not reports.wants_ran(worker.actor)
    assert sorted(verb for verb in verbs(core, alice.org_id) if verb.startswith("report")) == [
        "report_ran",
        "report_unknown_automation",
    ]
    assert not [verb for verb in verbs(core, globex.org_id) if verb.startswith("report")]


def test_jobs_that_are_not_known_are_reported_and_dropped_unless_the_queue_is_held(
    core: Core, alice: Actor, hold: Hold
) -> None:
    worker = core.worker(alice.org_id, "one", slots=4)
    core.run(alice)
    (work,) = worker.poll().work
    worker.start(work)
    core.database.write(lambda db: db.execute("UPDATE automations SET job_id = NULL"))
    core.database.write(lambda db: db.execute("DELETE FROM jobs"))
    hold.hold("held after a restore")
    assert worker.poll().drop == ()
    assert worker.poll().drop == ()
    assert verbs(core, alice.org_id).count("report_unknown_job") == 1
    hold.release(alice)
    assert worker.poll().drop == (work.job_id,)
