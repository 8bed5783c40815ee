"""A restored server hands out nothing until it is released, and uses no fence again."""

from __future__ import annotations

import apsw
import msgspec
import pytest

from opsicle.domain.access import Action
from opsicle.domain.errors import Conflict
from opsicle.server.access.actor import Actor
from opsicle.server.dispatch.order_signer import OrderSigner
from opsicle.server.store import epochs
from opsicle.server.store.epochs import Epoch
from opsicle.server.workers.holds import Hold
from tests.services.core import Core
from tests.services.transactions import refused


@pytest.fixture
def hold(core: Core) -> Hold:
    hold = Hold(core.database, core.fleet, core.clock)
    hold.hold("held after a restore")
    return hold


def test_nothing_is_handed_out_while_the_queue_is_held(
    core: Core, alice: Actor, hold: Hold
) -> None:
    worker = core.worker(alice.org_id, "one", slots=4)
    poll = worker.poll_in_background()
    automation = core.run(alice)
    assert core.automations.get(alice, automation.id).waiting_reason.startswith(
        "held after a restore"
    )
    core.clock.advance(1)
    assert worker.poll().work == ()

    hold.release(alice)

    assert not poll.ready() or poll.value.work == ()
    assert [work.automation_id for work in worker.poll().work] == [automation.id]
    assert core.automations.get(alice, automation.id).waiting_reason == "one is about to start it"
    with pytest.raises(Conflict, match="not held"):
        hold.release(alice)


def test_the_end_of_a_job_brings_nothing_either(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "one")
    core.run(alice)
    (work,) = worker.poll().work
    worker.start(work)
    core.run(alice)

    Hold(core.database, core.fleet, core.clock).hold("held after a restore")

    assert worker.finish_for_more(work).work == ()


def test_a_hold_that_could_not_be_written_holds_and_can_be_released(
    core: Core, alice: Actor
) -> None:
    hold = Hold(core.database, core.fleet, core.clock)
    with refused(core.database, "hold_queue"), pytest.raises(apsw.ConstraintError):
        hold.hold("held after a restore")
    assert hold.is_held
    assert not core.database.read(epochs.find_hold)

    hold.release(alice)

    assert not hold.is_held
    core.run(alice)
    assert core.worker(alice.org_id, "one").poll().work


def test_a_hold_that_could_not_be_written_is_written_by_the_next_call(core: Core) -> None:
    hold = Hold(core.database, core.fleet, core.clock)
    with refused(core.database, "hold_queue"), pytest.raises(apsw.ConstraintError):
        hold.hold("held after a restore")

    hold.hold("held after a restore")
    hold.hold("held after a restore")

    assert core.database.read(epochs.find_hold) == "held after a restore"

    query = "SELECT count(*) FROM audit_entries WHERE verb = 'hold_queue'"
    assert core.database.read(lambda db: db.execute(query).fetchone()) == (1,)


def test_a_release_that_could_not_be_written_releases_nothing(
    core: Core, alice: Actor, hold: Hold
) -> None:
    with refused(core.database, "release_queue"), pytest.raises(apsw.ConstraintError):
        hold.release(alice)
    assert hold.is_held

    core.run(alice)
    assert core.worker(alice.org_id, "one").poll().work == ()


def test_a_restart_keeps_what_is_held(core: Core, hold: Hold) -> None:
    again = core.restart()
    try:
        assert Hold(again.database, again.fleet, again.clock).reason == "held after a restore"
        assert again.database.read(epochs.find_hold)
    finally:
        again.close()
        core.__post_init__()


def test_no_fence_of_an_earlier_epoch_comes_again(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "one")
    automation = core.run(alice)
    (before,) = worker.poll().work
    assert before.fence == 1

    worker.held.clear()
    core.clock.advance(31)
    core.jobs.expire()

    order_signer: OrderSigner = core.dispatch._lease_service._work_builder._order_signer
    order_signer.epoch = Epoch(3, "abc")

    (work,) = worker.poll().work

    assert work.automation_id == automation.id
    assert work.fence == (2 << 32) + 1

    worker.held = {work.job_id: work}
    worker.start(work)
    assert worker.finish(work) == "succeeded"


def test_who_runs_the_server_reads_on_every_page_that_the_queue_is_held(
    core: Core, alice: Actor
) -> None:
    rights = alice.rights.with_server_actions(frozenset({Action.SERVER_MANAGE}))
    operator = msgspec.structs.replace(alice, rights=rights)
    Hold(core.database, core.fleet, core.clock).hold("held after a restore")

    (remark,) = core.services.accounts.whoami(operator).remarks

    assert remark.startswith("The queue is held after a restore")
    assert core.services.accounts.whoami(alice).remarks == []
