"""Two processes with one worker's identity are noticed, shown and given nothing.

A restart is not mistaken for that.
"""

from __future__ import annotations

import apsw
import gevent
import msgspec
import pytest

from opsicle.domain.errors import Unavailable
from opsicle.server.access.actor import Actor
from opsicle.server.fleet import process_instances
from opsicle.server.workers.service import Workers
from tests.services.core import HELLO, Core, TestWorker
from tests.services.transactions import refused, rolled_back_together
from tests.support import wait_until


def poll_by_turns(core: Core, *workers: TestWorker, seconds: int) -> None:
    for _ in range(0, seconds, 5):
        for worker in workers:
            worker.poll()
        core.clock.advance(5)


def record(core: Core, org_id: str, verb: str) -> list[dict[str, object]]:
    query = "SELECT data FROM audit_entries WHERE org_id = ? AND verb = ?"
    rows = core.database.read(lambda db: db.execute(query, (org_id, verb)).fetchall())
    return [msgspec.json.decode(data) for (data,) in rows]


@pytest.fixture
def original(core: Core, alice: Actor) -> TestWorker:
    return core.worker(alice.org_id, "w1", slots=10).another_process("original", "10.0.0.1")


def shown(core: Core, alice: Actor) -> str:
    return Workers(core.database, core.fleet, core.step_up, core.clock).get(alice, "w1").withheld


def test_two_processes_with_one_identity_are_shown_recorded_and_given_nothing(
    core: Core, alice: Actor, original: TestWorker
) -> None:
    original.poll()
    copy = original.another_process("copy", "10.0.0.2")
    poll_by_turns(core, copy, original, seconds=60)

    automations = [core.run(alice) for _ in range(10)]

    for worker in (original, copy):
        reply = worker.poll()
        assert reply.work == ()
        assert "two processes use its identity, from 10.0.0.1 and from 10.0.0.2" in reply.withheld
    assert "10.0.0.1" in shown(core, alice)
    assert "10.0.0.2" in shown(core, alice)
    assert [entry["addresses"] for entry in record(core, alice.org_id, "notice_copy")] == [
        ["10.0.0.1", "10.0.0.2"]
    ]
    reason = core.automations.get(alice, automations[0].id).waiting_reason
    assert reason.startswith("w1 is given no work: two processes use its identity")


def test_a_copy_that_could_not_be_recorded_at_first_is_recorded_later_and_once(
    core: Core, alice: Actor, original: TestWorker
) -> None:
    original.poll()
    copy = original.another_process("copy", "10.0.0.2")
    with refused(core.database, "notice_copy"), pytest.raises(apsw.ConstraintError):
        poll_by_turns(core, copy, original, seconds=60)
    core.run(alice)
    assert original.poll().work == copy.poll().work == ()
    assert len(record(core, alice.org_id, "notice_copy")) == 1

    core.clock.advance(process_instances.ALONE_SECONDS + 1)
    with refused(core.database, "end_copy"), pytest.raises(apsw.ConstraintError):
        original.poll()
    original.poll()
    assert len(record(core, alice.org_id, "end_copy")) == 1


def test_what_a_poll_has_read_of_its_worker_is_read_again_when_it_is_rolled_back(
    core: Core, alice: Actor
) -> None:
    worker = core.worker(alice.org_id, "one")
    worker.poll()
    presence = core.fleet.find(worker.actor.worker_id)
    assert presence
    core.run(alice)
    change = """UPDATE workers SET state = 'draining', granted_labels = '{"site": "prod"}'"""

    raised = rolled_back_together(core.database, lambda db: db.execute(change), worker.poll)

    assert [type(error) for error in raised] == [apsw.ConstraintError, apsw.ConstraintError]
    assert (presence.granted, presence.is_draining) == ({}, False)
    assert worker.poll().work


def test_a_copy_is_given_nothing_from_its_first_poll_on(
    core: Core, alice: Actor, original: TestWorker
) -> None:
    original.poll()
    core.run(alice)

    copy = original.another_process("copy", "10.0.0.2")

    assert copy.poll().work == ()
    assert original.poll().work == ()

    core.clock.advance(process_instances.OBSERVE_SECONDS + 0.1)
    assert copy.poll().work == ()


def test_an_identity_that_is_used_only_once_by_a_thief_is_noticed(
    core: Core, alice: Actor, original: TestWorker
) -> None:
    original.poll()
    original.another_process("thief", "10.6.6.6").poll()

    poll_by_turns(core, original, seconds=60)

    assert "10.6.6.6" in shown(core, alice)


def test_when_one_of_them_has_ended_the_other_goes_on_by_itself(
    core: Core, alice: Actor, original: TestWorker
) -> None:
    original.poll()
    poll_by_turns(core, original.another_process("copy", "10.0.0.2"), original, seconds=60)
    core.run(alice)

    poll_by_turns(core, original, seconds=round(process_instances.ALONE_SECONDS) + 10)

    assert shown(core, alice) == ""
    assert len(original.held) == 1
    assert len(record(core, alice.org_id, "end_copy")) == 1


def test_a_server_that_restarts_still_gives_them_nothing(
    core: Core, alice: Actor, original: TestWorker
) -> None:
    original.poll()
    poll_by_turns(core, original.another_process("copy", "10.0.0.2"), original, seconds=60)
    core.run(alice)

    later = core.restart()
    worker = TestWorker(later, original.actor, 10, {}, boot_id="original")

    assert worker.poll().work == ()
    assert "10.0.0.2" in shown(later, alice)
    later.close()


@pytest.mark.parametrize("restarts", [1, 20])
def test_a_worker_that_is_killed_and_started_again_is_no_copy(
    core: Core, alice: Actor, original: TestWorker, restarts: int
) -> None:
    original.poll_in_background()  # still open when its process is gone
    for number in range(restarts):
        worker = original.another_process(f"process-{number}", "10.0.0.1")
        poll_by_turns(core, worker, seconds=5)

    poll_by_turns(core, worker, seconds=60)

    assert shown(core, alice) == ""
    assert record(core, alice.org_id, "notice_copy") == []

    core.run(alice)
    assert len(worker.poll().work) == 1


def test_the_open_poll_of_a_dead_process_takes_no_work_with_it(
    core: Core, alice: Actor, original: TestWorker
) -> None:
    dead = original.poll_in_background()
    worker = original.another_process("next", "10.0.0.1")
    worker.poll()

    core.clock.advance(process_instances.OBSERVE_SECONDS + 0.1)
    core.run(alice)

    assert len(worker.poll().work) == 1
    assert dead.get(timeout=60).work == ()


def test_what_a_dead_process_had_sent_is_heard_late_and_makes_no_copy(
    core: Core, alice: Actor, original: TestWorker
) -> None:
    original.poll()
    worker = original.another_process("next", "10.0.0.1")
    worker.poll()
    for _ in range(3):  # several requests were in its sockets
        original.poll()
    poll_by_turns(core, worker, seconds=25)
    original.poll()  # sent again by its kernel, at the very latest

    poll_by_turns(core, worker, seconds=60)

    assert record(core, alice.org_id, "notice_copy") == []

    core.run(alice)
    assert len(worker.poll().work) == 1


def test_a_worker_that_said_goodbye_gets_work_at_its_very_first_poll(
    core: Core, alice: Actor, original: TestWorker
) -> None:
    original.poll()
    core.dispatch.poll(
        original.actor, msgspec.structs.replace(original.request(0), is_leaving=True)
    )

    core.run(alice)

    assert len(original.another_process("next").poll().work) == 1


def test_both_are_let_go_when_their_worker_is_revoked(
    core: Core, alice: Actor, original: TestWorker
) -> None:
    original.poll()
    copy = original.another_process("copy", "10.0.0.2")
    poll_by_turns(core, copy, original, seconds=60)
    open_polls = [original.poll_in_background(), copy.poll_in_background()]
    presence = core.fleet.find(original.actor.worker_id)
    assert presence
    wait_until(lambda: len(presence.open_polls) == 2, what="both polls", pause=gevent.sleep)

    core.fleet.revoke(original.actor.worker_id)

    for poll in open_polls:
        poll.join(timeout=60)
        assert "revoked" in str(poll.exception)


REQUEUE = HELLO.replace("  template:", "  onWorkerLost: requeue\n  template:").replace(
    "hello}", "again}"
)


@pytest.mark.parametrize("waits", [0, 5, 60])
def test_a_copy_cannot_give_up_what_the_original_runs(
    core: Core, alice: Actor, original: TestWorker, waits: int
) -> None:
    core.push(alice, REQUEUE)
    automation = core.run(alice, "again")
    [work] = original.poll().work
    original.start(work)
    copy = original.another_process("copy", "10.0.0.2")
    copy.held = {work.job_id: work}
    poll_by_turns(core, *([copy, original] if waits else []), seconds=waits)

    with pytest.raises(Unavailable):  # its journal does not know how the job went on
        copy.finish(work, "unknown", None)

    assert core.state(alice, automation) == "running"
    assert original.finish(work) == "succeeded"


def test_after_a_crash_what_was_lost_is_given_up_by_the_next_process(
    core: Core, alice: Actor, original: TestWorker
) -> None:
    core.push(alice, REQUEUE)
    automation = core.run(alice, "again")
    [work] = original.poll().work
    original.start(work)
    following = original.another_process("next", "10.0.0.1")
    following.held = {work.job_id: work}
    following.poll()

    core.clock.advance(process_instances.OBSERVE_SECONDS + 0.1)
    following.finish(work, "unknown", None)

    assert core.state(alice, automation) == "queued"


def test_made_up_lives_take_no_memory(core: Core, alice: Actor, original: TestWorker) -> None:
    for number in range(100):
        original.another_process(f"process-{number}").poll()

    presence = core.fleet.find(original.actor.worker_id)
    assert presence
    assert len(presence.instances._by_id) <= 8
