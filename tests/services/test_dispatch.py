"""Which worker is handed which automation, and when its poll is answered."""

from __future__ import annotations

import gevent
import pytest

from opsicle.domain.errors import NotAuthenticated
from opsicle.server.access.actor import Actor
from tests.services.core import HELLO, Core

ELSEWHERE = HELLO.replace("  template:", "  runsOn: {labels: {site: ams}}\n  template:")


def test_an_automation_goes_to_a_polling_worker_runs_and_succeeds(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    automation = core.run(alice, who="you")

    assert automation.state == "queued"

    [work] = worker.poll().work
    assert work.environment == {"OPSICLE_VAR_WHO": "you"}

    worker.start(work)
    assert core.state(alice, automation) == "running"
    assert worker.finish(work) == "succeeded"
    assert core.state(alice, automation) == "succeeded"


def test_a_held_poll_is_answered_as_soon_as_there_is_work(core: Core, alice: Actor) -> None:
    poll = core.worker(alice.org_id, "w1").poll_in_background()
    core.run(alice)
    assert len(poll.get(timeout=60).work) == 1


def test_a_full_worker_gets_the_next_automation_when_a_job_ends(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1", slots=1)
    core.run(alice)
    core.clock.advance(1)  # automations of the same millisecond are in no order
    second = core.run(alice)
    [work] = worker.poll().work
    worker.start(work)

    poll = worker.poll_in_background()

    assert not poll.ready()

    worker.finish(work)
    assert [w.automation_id for w in poll.get(timeout=60).work] == [second.id]


def test_no_worker_gets_more_jobs_than_it_has_slots(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1", slots=3)
    for _ in range(5):
        core.run(alice)

    assert len(worker.poll().work) == 3
    assert worker.poll().work == ()


def test_one_automation_is_leased_to_one_worker_only(core: Core, alice: Actor) -> None:
    workers = [core.worker(alice.org_id, f"w{n}", slots=4) for n in range(4)]
    for _ in range(8):
        core.run(alice)
    replies = [gevent.spawn(worker.poll) for worker in workers]

    gevent.joinall(replies, raise_error=True)

    leased = [work.automation_id for reply in replies for work in reply.value.work]
    assert len(leased) == 8
    assert len(set(leased)) == 8


def test_another_orgs_worker_gets_nothing(core: Core, alice: Actor) -> None:
    anonymous = core.worker(core.org("globex"), "w1")
    core.run(alice)
    assert anonymous.poll().work == ()


def test_only_a_worker_with_the_labels_gets_the_work_and_the_reason_says_so(
    core: Core, alice: Actor
) -> None:
    core.push(alice, ELSEWHERE.replace("hello}", "elsewhere}"))
    here = core.worker(alice.org_id, "here")

    automation = core.run(alice, "elsewhere")

    assert (
        core.automations.get(alice, automation.id).waiting_reason
        == "no connected worker has label site=ams"
    )
    assert here.poll().work == ()

    reason = core.automations.get(alice, automation.id).waiting_reason
    assert reason == "no connected worker has label site=ams"
    assert len(core.worker(alice.org_id, "there", site="ams").poll().work) == 1


def test_a_revoked_worker_loses_its_open_poll_at_once(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    poll = worker.poll_in_background()
    core.fleet.revoke(worker.actor.worker_id)

    with pytest.raises(NotAuthenticated):
        poll.get(timeout=60)


def test_a_draining_worker_gets_no_more_work(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    poll = worker.poll_in_background()

    core.fleet.set_draining(worker.actor.worker_id, True)

    assert poll.get(timeout=60).drain

    core.run(alice)
    assert core.fleet.find(worker.actor.worker_id).is_draining


def test_a_draining_worker_is_given_nothing_when_it_ends_a_job_or_polls(
    core: Core, alice: Actor
) -> None:
    worker = core.worker(alice.org_id, "w1", slots=2)
    core.run(alice)
    [work] = worker.poll().work
    worker.start(work)
    core.fleet.set_draining(worker.actor.worker_id, True)

    core.run(alice)

    assert worker.finish_for_more(work).work == ()

    worker.is_draining = True
    core.fleet.set_draining(worker.actor.worker_id, False)

    assert worker.poll().work == ()


def test_the_answer_to_finish_brings_the_next_work_and_never_more_than_the_slots(
    core: Core, alice: Actor
) -> None:
    worker = core.worker(alice.org_id, "w1", slots=1)
    ids = [core.run(alice).id for _ in range(3)]
    [work] = worker.poll().work
    for expected in ids[1:]:
        worker.start(work)
        [work] = worker.finish_for_more(work).work
        assert work.automation_id == expected
        assert worker.poll().work == ()

    worker.start(work)

    assert worker.finish_for_more(work).work == ()


def test_a_trigger_does_not_overfill_a_worker_whose_poll_is_woken_meanwhile(
    core: Core, alice: Actor
) -> None:
    worker = core.worker(alice.org_id, "w1", slots=1)
    poll = worker.poll_in_background()
    triggers = [gevent.spawn(core.run, alice) for _ in range(4)]
    core.dispatch.wake_worker(worker.actor.worker_id)

    gevent.joinall([*triggers, poll], timeout=60, raise_error=True)

    assert len(poll.value.work) == 1
    assert worker.poll().work == ()


def test_a_newer_poll_of_the_same_worker_ends_the_older_one(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    older = worker.poll_in_background()
    newer = worker.poll_in_background()

    assert older.get(timeout=60).work == ()

    core.run(alice)
    assert len(newer.get(timeout=60).work) == 1
