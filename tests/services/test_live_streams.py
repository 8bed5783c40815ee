"""What followers of an automation read as it goes on: counted in statements, on real databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import gevent
import pytest

from opsicle.server.access.actor import Actor
from opsicle.server.automations import live_streams
from opsicle.server.automations.live_streams import (
    LONGEST_UNSEEN_SECONDS,
    AutomationChanged,
    AutomationEnded,
    Event,
    NewOutput,
    Position,
)
from opsicle.server.automations.routes import events
from opsicle.server.fleet.pubsub import automation_topic, end_topic
from opsicle.server.http.open_streams import EventStreams
from opsicle.server.http.request import Caller, Request
from opsicle.server.http.wire.response import LastPart
from opsicle.wire.jobs import Outcome, PhaseReport, StepState, Work
from opsicle.wire.worker_api import FinishRequest, LogRequest
from tests.services.core import Core, TestWorker
from tests.services.fanning import Fanning
from tests.support import wait_until

FOLLOWERS = 3


def say(worker: TestWorker, work: Work, offset: int, text: bytes, **more: object) -> None:
    """Send a piece of the job's log."""
    request = LogRequest(fence=work.fence, chunks=((offset, 0, 1, 0, text),), **more)
    worker.core.jobs.log(worker.actor, work.job_id, request)


class Follower:
    """Somebody who follows an automation, and has seen how things are."""

    def __init__(self, core: Core, actor: Actor, work: Work) -> None:
        self._core = core
        self._topic = automation_topic(work.automation_id)
        self._events: list[Event] = []
        stream = core.live_streams.automation(actor, work.automation_id, Position())
        self.greenlet = gevent.spawn(self._events.extend, stream)
        assert isinstance(self.take()[0], AutomationChanged)

    def take(self) -> list[Event]:
        """Return what it was told since it was last asked, once it has nothing more to read."""
        wait_until(self._has_read_all, what="the followers to have read all", pause=gevent.sleep)
        told = list(self._events)
        self._events.clear()
        return told

    def _has_read_all(self) -> bool:
        watches = self._core.pubsub._watches.get(self._topic, ())
        is_quiet = all(watch.is_waiting for watch in watches)
        return bool(self._events) and (self.greenlet.ready() or is_quiet)


def text_of(events: list[Event]) -> bytes:
    """Return the pieces of log among events, of which there are no others."""
    assert all(isinstance(event, NewOutput) for event in events)
    return b"".join(chunk[4] for event in events for chunk in event.chunks)


@contextmanager
def reads(core: Core) -> Iterator[list[str]]:
    """Record the queries that are run on the state's reading connection meanwhile."""
    found: list[str] = []

    def note(event: dict[str, str]) -> None:
        if event["sql"].split(None, 1)[0] not in {"BEGIN", "ROLLBACK", "COMMIT"}:
            found.append(event["sql"])

    core.database.read(lambda db: db.trace_v2(1, note))  # SQLITE_TRACE_STMT
    yield found
    core.database.read(lambda db: db.trace_v2(0, None))


def test_a_piece_of_log_makes_no_follower_read_the_automation(
    core: Core, alice: Actor, worker: TestWorker, work: Work
) -> None:
    say(worker, work, 0, b"one\n")
    with reads(core) as said:
        say(worker, work, 4, b"two\n")
    followers = [Follower(core, alice, work) for _ in range(FOLLOWERS)]

    with reads(core) as read:
        say(worker, work, 8, b"more")
        told = [each.take() for each in followers]

    assert [text_of(events) for events in told] == [b"more"] * FOLLOWERS
    assert len({id(event.piece) for [event] in told}) == 1, "read and unpacked once for all"
    assert read == said, "what the worker's request takes, and nothing for those who follow"


def test_whoever_begins_to_follow_has_the_automation_read_once(
    core: Core, alice: Actor, worker: TestWorker, work: Work
) -> None:
    with reads(core) as looked:
        core.services.automations.get(alice, work.automation_id)

    with reads(core) as read:
        stream = core.live_streams.automation(alice, work.automation_id, Position())
        first = next(stream)

    assert isinstance(first, AutomationChanged)
    assert read == looked


def test_what_changes_before_the_first_event_is_taken_is_shown(
    core: Core, alice: Actor, worker: TestWorker, work: Work
) -> None:
    stream = core.live_streams.automation(alice, work.automation_id, Position())

    worker.finish(work)

    states = [each.automation.state for each in stream if isinstance(each, AutomationChanged)]
    assert states[-1] == "succeeded"


def test_the_start_of_a_job_goes_before_the_first_look_of_who_follows_it(
    core: Core, alice: Actor, worker: TestWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_streams, "FIRST_LOOK_SECONDS", 60.0)
    automation = core.run(alice)
    [work] = worker.poll().work

    following = gevent.spawn(core.live_streams.automation, alice, automation.id, Position())
    following.join(timeout=0.01)
    worker.start(work)

    assert not following.ready()
    following.kill()


def test_who_follows_right_behind_the_trigger_sees_a_quick_end_and_nothing_before_it(
    core: Core, alice: Actor, worker: TestWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_streams, "FIRST_LOOK_SECONDS", 60.0)
    automation = core.run(alice)
    [work] = worker.poll().work
    stream = core.live_streams.automation
    following = gevent.spawn(lambda: list(stream(alice, automation.id, Position())))
    wait_until(
        lambda: core.pubsub.count(end_topic(automation.id)), 60, "a follower", pause=gevent.sleep
    )

    worker.start(work)
    worker.finish(work)

    [shown, ended] = following.get(timeout=30)
    assert shown.automation.state == "succeeded"
    assert ended == AutomationEnded()
    assert core.pubsub.count(end_topic(automation.id)) == 0


def test_an_automation_that_was_triggered_some_time_ago_is_shown_at_once(
    core: Core, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_streams, "FIRST_LOOK_SECONDS", 60.0)
    automation = core.run(alice)
    core.clock.advance(2)

    stream = core.live_streams.automation
    following = gevent.spawn(lambda: next(stream(alice, automation.id, Position())))

    assert following.get(timeout=30).automation.state == "queued"


def test_a_stream_that_nobody_takes_leaves_no_subscription(
    core: Core, alice: Actor, work: Work
) -> None:
    stream = core.live_streams.automation(alice, work.automation_id, Position())
    assert core.pubsub.count(automation_topic(work.automation_id)) == 1

    del stream

    assert core.pubsub.count(automation_topic(work.automation_id)) == 0


def test_a_phase_that_ends_is_shown_with_the_log_that_came_with_it(
    core: Core, alice: Actor, worker: TestWorker, work: Work
) -> None:
    follower = Follower(core, alice, work)
    phases = (PhaseReport(name="greet", state=StepState.RUNNING),)

    say(worker, work, 0, b"one\n", phases=phases)

    shown, *output = follower.take()
    assert shown.automation.phases[0].state == StepState.RUNNING
    assert text_of(output) == b"one\n"


def test_an_end_that_comes_with_the_last_of_the_log_is_seen(
    core: Core, alice: Actor, worker: TestWorker, work: Work
) -> None:
    follower = Follower(core, alice, work)
    say(worker, work, 0, b"one\n")
    assert text_of(follower.take()) == b"one\n"

    say(worker, work, 4, b"two\n")
    worker.finish(work)

    follower.greenlet.join(timeout=60)
    *events, ended = follower.take()
    [shown] = [event for event in events if isinstance(event, AutomationChanged)]
    assert shown.automation.state == "succeeded"
    assert text_of([event for event in events if event is not shown]) == b"two\n"
    assert ended == AutomationEnded()


def test_the_last_that_there_is_to_say_is_sent_together(
    core: Core, alice: Actor, worker: TestWorker, work: Work
) -> None:
    asked = Request({"QUERY_STRING": ""}, lambda _: Caller(alice), EventStreams(), 0)
    parts: list[bytes] = []
    stream = events(core.live_streams, asked, work.automation_id).stream
    following = gevent.spawn(parts.extend, stream)
    topic = automation_topic(work.automation_id)
    wait_until(
        lambda: any(watch.is_waiting for watch in core.pubsub._watches.get(topic, ())),
        what="the follower to have read all",
        pause=gevent.sleep,
    )

    outcome = Outcome(state="succeeded", phases=(), exit_code=0)
    chunks = ((0, 0, 1, 0, b"one\n"),)
    request = FinishRequest(fence=work.fence, outcome=outcome, log_bytes=4, chunks=chunks)
    core.jobs.finish(worker.actor, work.job_id, request)
    following.join(timeout=60)

    assert [_names(part) for part in parts] == [["automation"], ["log", "automation", "end"]]
    assert isinstance(parts[-1], LastPart)


def _names(part: bytes) -> list[str]:
    lines = part.decode().splitlines()
    return [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]


def test_who_follows_a_log_that_never_rests_sees_the_automation_from_time_to_time(
    core: Core, alice: Actor, worker: TestWorker, work: Work
) -> None:
    follower = Follower(core, alice, work)
    core.database.write(lambda db: db.execute("UPDATE automations SET reason = 'altered'"))
    say(worker, work, 0, b"one\n")
    assert text_of(follower.take()) == b"one\n"

    core.clock.advance(LONGEST_UNSEEN_SECONDS)
    say(worker, work, 4, b"two\n")

    shown, *output = follower.take()
    assert shown.automation.reason == "altered"
    assert text_of(output) == b"two\n"


def test_who_follows_what_runs_on_several_machines_sees_that_a_part_has_begun(
    core: Core, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_streams, "QUEUED_CHECK_SECONDS", 0.01)
    fanning = Fanning(core, alice).push().run()
    stream = core.live_streams.automation(alice, fanning.automation.id, Position())
    next(stream)

    fanning.take("e1")

    with gevent.Timeout(60):
        changed = next(event for event in stream if isinstance(event, AutomationChanged))
    stream.close()
    states = {target.name: target.state for target in changed.automation.targets}
    assert states["e1"] == "running"


def test_who_stops_following_leaves_nothing_behind(
    core: Core, alice: Actor, worker: TestWorker, work: Work
) -> None:
    follower = Follower(core, alice, work)
    assert len(core.pubsub._watches) == 2

    follower.greenlet.kill()

    assert core.pubsub._watches == {}


def test_who_follows_an_end_is_told_of_it_before_the_worker_is_answered(
    core: Core, alice: Actor, worker: TestWorker, work: Work
) -> None:
    follower = Follower(core, alice, work)

    worker.finish(work)

    assert follower.greenlet.ready()
    assert follower.take()[-1] == AutomationEnded()
