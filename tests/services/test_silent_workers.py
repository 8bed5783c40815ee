"""A worker that fits and is dead is named, with since when, in the reason for which work waits."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager

import gevent
import msgspec
import pytest

from opsicle.server.access.actor import Actor
from opsicle.server.automations.live_streams import AutomationChanged, Heartbeat, Position
from opsicle.server.fleet.pubsub import org_topic
from opsicle.wire.user_api import RunRequest
from opsicle.wire.worker_api import LEASE_SECONDS
from tests.services.core import Core, TestWorker, is_held
from tests.support import wait_until


def reason(core: Core, alice: Actor, automation_id: str) -> str:
    return core.automations.get(alice, automation_id).waiting_reason


class WorkerConnection:
    """A worker's connection, as the listener watches it."""

    def __init__(self) -> None:
        self.cut: Callable[[], None] = lambda: None

    @contextmanager
    def on_disconnect(self, call: Callable[[], None]):
        self.cut = call
        yield
        self.cut = lambda: None


def hold(core: Core, worker: TestWorker, line: WorkerConnection) -> gevent.Greenlet:
    """Return a poll that is held open on this line."""
    greenlet = gevent.spawn(
        core.dispatch.poll, worker.actor, worker.request(30), line.on_disconnect
    )

    wait_until(
        lambda: is_held(core, worker.actor.worker_id),
        what="the poll to be held",
        pause=gevent.sleep,
    )
    return greenlet


def test_a_worker_that_has_not_polled_within_its_lease_is_named(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    worker.poll()
    since = core.clock.now()
    core.clock.advance(LEASE_SECONDS)

    queued = core.run(alice)

    said = f"w1 fits, but has not been heard of since {since:%Y-%m-%d %H:%M:%S} UTC"
    assert (queued.waiting_reason, reason(core, alice, queued.id)) == (said, said)


def test_a_dead_worker_is_named_beside_one_that_is_busy(core: Core, alice: Actor) -> None:
    dead, busy = core.worker(alice.org_id, "w1"), core.worker(alice.org_id, "w2")
    dead.poll()
    core.clock.advance(LEASE_SECONDS)
    core.run(alice)
    [work] = busy.poll().work
    busy.start(work)

    queued = core.run(alice)

    assert reason(core, alice, queued.id).startswith(
        "w2 is busy (its only slot); w1 would fit, but has not been heard"
    )


def test_a_worker_that_closes_the_connection_of_its_poll_is_known_to_be_gone_at_once(
    core: Core, alice: Actor
) -> None:
    worker, line = core.worker(alice.org_id, "w1"), WorkerConnection()
    poll = hold(core, worker, line)
    assert core.fleet.is_connected(worker.actor.worker_id)

    line.cut()
    poll.join(timeout=60)

    queued = core.run(alice)
    assert queued.waiting_reason.startswith("w1 fits, but has not been heard of since")
    assert core.automations.get(alice, queued.id).jobs == []
    assert [work.automation_id for work in worker.poll().work] == [queued.id]


def test_whoever_looks_hears_once_that_a_worker_has_come_and_that_it_has_left(
    core: Core, alice: Actor
) -> None:
    worker = core.worker(alice.org_id, "w1")
    with core.pubsub.watch(org_topic(alice.org_id)) as watch:
        seen = []
        for request in (
            worker.request(0),
            worker.request(0),
            msgspec.structs.replace(worker.request(0), is_leaving=True),
        ):
            core.dispatch.poll(worker.actor, request)
            seen.append(bool(watch.wait(0)))
        core.clock.advance(LEASE_SECONDS)
        worker.poll()
        seen.append(bool(watch.wait(0)))

    assert seen == [True, False, True, True]


def test_work_goes_to_another_worker_and_not_to_one_that_is_gone(core: Core, alice: Actor) -> None:
    gone, other, line = (
        core.worker(alice.org_id, "w1", slots=8),
        core.worker(alice.org_id, "w2"),
        WorkerConnection(),
    )
    hold(core, gone, line)
    waiting = other.poll_in_background()
    line.cut()
    queued = core.run(alice)

    waiting.join(timeout=60)

    assert [work.automation_id for work in waiting.value.work] == [queued.id]


def test_work_that_was_given_to_a_worker_which_is_gone_says_so(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    queued = core.run(alice)

    worker.poll()

    assert reason(core, alice, queued.id) == "w1 is about to start it"

    core.fleet.find(worker.actor.worker_id).has_disconnected = True
    assert reason(core, alice, queued.id).startswith(
        "w1 was given it, but has not been heard of since"
    )


def test_a_worker_that_was_stopped_is_not_called_dead(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    core.dispatch.poll(worker.actor, worker.request(0))
    core.fleet.find(worker.actor.worker_id).has_left = True

    assert core.run(alice).waiting_reason == "w1 fits, but was stopped"


def test_a_worker_that_died_before_the_server_was_started_anew_is_named_by_its_labels(
    core: Core, alice: Actor
) -> None:
    dead, other = (
        core.worker(alice.org_id, "w1", site="ams"),
        core.worker(alice.org_id, "w2", site="fra"),
    )
    dead.poll()
    core.push(alice, SITED)
    again = core.restart()
    other.core = again
    other.poll()

    queued = again.run(alice, "sited")

    assert reason(again, alice, queued.id).startswith(
        "no connected worker has label site=ams: w1 fits, but has not been heard of since"
    )
    again.close()


def test_who_triggers_after_a_restart_is_told_of_the_worker_that_died_before_it(
    core: Core, alice: Actor
) -> None:
    core.worker(alice.org_id, "w1").poll()
    again = core.restart()
    expected = "w1 fits, but has not been heard of since"

    triggered = again.run(alice)
    shown = again.automations.previews.preview(alice, RunRequest(template="hello"))

    assert triggered.waiting_reason.startswith(expected)
    assert reason(again, alice, triggered.id).startswith(expected)
    assert (shown.workers, shown.waiting) == (["w1"], triggered.waiting_reason)
    again.close()


SITED = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: sited}
spec:
  runsOn: {labels: {site: ams}}
  template: {phases: [{name: greet, commands: [echo hello]}]}
"""


def test_who_follows_hears_of_a_worker_that_falls_silent(
    core: Core, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsicle.server.automations.live_streams.QUEUED_CHECK_SECONDS", 0.01)
    busy = core.worker(alice.org_id, "w1")
    busy.is_draining = True
    busy.poll()

    queued = core.run(alice)
    events = core.live_streams.automation(alice, queued.id, Position())

    assert _first(events).automation.waiting_reason == "w1 is draining"

    core.clock.advance(LEASE_SECONDS)
    assert "w1 fits, but has not been heard of" in _first(events).automation.waiting_reason
    events.close()


def _first(events) -> AutomationChanged:
    return next(event for event in events if not isinstance(event, Heartbeat))
