"""A server that was held up, or whose clock was set, calls nobody lost and ends nothing for it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from gevent.event import Event

from opsicle.kit.clock import SETTLING_SECONDS, SteadyClock, SystemClock
from opsicle.server.access.actor import Actor
from opsicle.server.loop import Loop
from opsicle.wire.worker_api import LEASE_SECONDS
from tests.services.clocks import ManualClock
from tests.services.core import HELLO, Core

REQUEUE = HELLO.replace("name: hello", "name: again").replace(
    "spec:\n", "spec:\n  onWorkerLost: requeue\n"
)


@pytest.fixture
def running(core: Core, alice: Actor):
    """Start a job that runs again when its worker is lost; return it and its worker."""
    core.push(alice, REQUEUE)
    worker = core.worker(alice.org_id, "one")
    automation = core.run(alice, "again")
    (work,) = worker.poll().work
    worker.start(work)
    return automation, worker, work


def turns(core: Core, count: int, late: float = 0.0) -> None:
    for _ in range(count):
        core.jobs.check_leases(late)
        core.clock.advance(1)


def test_a_dead_workers_job_is_lost_after_two_turns(core: Core, alice: Actor, running) -> None:
    automation, _, _ = running
    core.clock.advance(LEASE_SECONDS)
    turns(core, 1)
    turns(core, 1)
    assert core.state(alice, automation) == "running"

    turns(core, 1)

    assert core.state(alice, automation) == "queued"


@pytest.mark.parametrize("turns_before", [0, 1, 2])
def test_after_a_pause_a_job_is_not_lost_before_its_worker_could_be_heard(
    core: Core, alice: Actor, running, turns_before: int
) -> None:
    automation, worker, work = running
    turns(core, turns_before)

    core.clock.advance(10 * LEASE_SECONDS)
    turns(core, 1, late=10 * LEASE_SECONDS)
    turns(core, 10)

    assert core.state(alice, automation) == "running"
    worker.poll()
    turns(core, LEASE_SECONDS - 2)
    assert core.state(alice, automation) == "running"
    assert worker.finish(work) == "succeeded"


def test_a_pause_in_the_very_turn_that_judges_costs_no_job(
    core: Core, alice: Actor, running
) -> None:
    """The loop said that it was in time, and then the server was stopped for a minute."""
    automation, _, _ = running
    core.clock.advance(60)
    core.jobs.check_leases(0.0)
    assert core.state(alice, automation) == "running"

    core.jobs.check_leases(59.0)  # measured from the beginning of the turn before
    turns(core, 3)

    assert core.state(alice, automation) == "running"


def test_a_disk_that_hangs_costs_no_job(
    core: Core, alice: Actor, running, monkeypatch: pytest.MonkeyPatch
) -> None:
    automation, _, _ = running
    write = core.database.write

    def slow(work):
        core.clock.advance(45)
        return write(work)

    core.clock.advance(LEASE_SECONDS + 1)
    turns(core, 1)
    monkeypatch.setattr(core.database, "write", slow)
    turns(core, 1)
    monkeypatch.undo()
    turns(core, 3)

    assert core.state(alice, automation) == "running"


def test_a_poll_that_is_answered_late_renews_its_leases(
    core: Core, alice: Actor, running, monkeypatch: pytest.MonkeyPatch
) -> None:
    automation, worker, _ = running
    write = core.database.write

    def slow(work):
        core.clock.advance(LEASE_SECONDS - 1)
        return write(work)

    monkeypatch.setattr(core.database, "write", slow)
    worker.poll()
    monkeypatch.undo()
    turns(core, 5)

    assert core.state(alice, automation) == "running"


def test_a_loop_says_how_late_its_turn_is() -> None:
    clock, heard, enough = ManualClock(), [], Event()
    pauses = [
        lambda: None,
        lambda: clock.advance(40),
        lambda: clock.suspend(50),
        lambda: clock.step(60),
        lambda: None,
    ]

    def turn(late: float) -> None:
        heard.append(late)
        if pauses:
            pauses.pop(0)()
        if len(heard) == 6:
            enough.set()

    loop = Loop("count", 0.001, turn, clock)
    loop.start()
    assert enough.wait(60)
    loop.stop(60)

    assert [round(late) for late in heard[:6]] == [0, 0, 40, 50, 60, 0]


def test_time_that_goes_on_by_itself_is_followed() -> None:
    clock = ManualClock()
    steady = SteadyClock(clock)

    for _ in range(1000):
        clock.advance(3600)
        clock.step(1)  # the machine's clock is slow or fast by 1 s an hour
        assert steady.now() == clock.now()

    assert steady.is_steady_since(86400)


def test_a_machine_that_slept_has_the_time_at_once() -> None:
    clock = ManualClock()
    steady = SteadyClock(clock)

    clock.suspend(86400)

    assert steady.now() == clock.now()


@pytest.mark.parametrize("seconds", [10 * 3600, -10 * 3600, 86400 * 4000, 61])
def test_a_clock_that_was_set_is_followed_when_it_has_stayed_so(seconds: float) -> None:
    clock = ManualClock()
    steady = SteadyClock(clock)
    before = steady.now()

    clock.step(seconds)

    assert steady.now() == before
    assert not steady.is_steady_since(1)

    clock.advance(SETTLING_SECONDS - 1)
    assert steady.now() == before + timedelta(seconds=SETTLING_SECONDS - 1)

    clock.advance(1)
    assert steady.now() == clock.now()
    assert not steady.is_steady_since(86400)

    clock.advance(86400)
    assert steady.is_steady_since(86400)


def test_a_clock_that_was_set_back_in_time_has_never_been_wrong() -> None:
    clock = ManualClock()
    steady = SteadyClock(clock)
    before = steady.now()

    clock.step(36000)

    assert steady.now() == before

    clock.advance(SETTLING_SECONDS / 2)
    clock.step(-36000)
    clock.advance(SETTLING_SECONDS)

    assert steady.now() == before + timedelta(seconds=1.5 * SETTLING_SECONDS)


def test_a_clock_that_keeps_jumping_is_not_followed() -> None:
    clock = ManualClock()
    steady = SteadyClock(clock)
    before = steady.now()
    for number in range(20):
        clock.step(1000 if number % 2 else -5000)
        clock.advance(SETTLING_SECONDS - 1)
        assert (
            abs((steady.now() - before).total_seconds() - (number + 1) * (SETTLING_SECONDS - 1)) < 1
        )


def test_the_machines_clocks_can_be_read() -> None:
    steady = SteadyClock(SystemClock())
    before = time.monotonic()

    assert abs(steady.now() - datetime.now(UTC)) < timedelta(minutes=1)
    assert steady.elapsed() >= before - 1
