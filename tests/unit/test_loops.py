"""Loops that run for as long as the server does."""

from __future__ import annotations

import time

import gevent
import pytest
from gevent.event import Event

from opsicle.server.loop import Loop, until_next
from opsicle.server.loop_lag import LoopLag


def test_a_loop_survives_a_turn_that_fails_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    turns, third = [], Event()

    def turn(_late: float) -> None:
        turns.append(1)
        if len(turns) == 3:
            third.set()
        raise RuntimeError("a bad turn")

    loop = Loop("count", 0.001, turn)
    loop.start()
    assert third.wait(60)
    loop.stop(60)

    assert "a turn failed" in caplog.text


@pytest.mark.parametrize("seconds", [0.001, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0, 3600.0])
@pytest.mark.parametrize("now", [0.0, 0.3, 7.499, 7.5, 12_345.999, 98_765_432.1])
def test_loops_wake_together_and_none_far_from_its_time(now: float, seconds: float) -> None:
    grid = min(seconds, 1.0)

    wait = until_next(now, seconds)

    wakes_at = (now + wait) / grid
    assert wakes_at == pytest.approx(round(wakes_at), abs=1e-3)
    assert abs(wait - seconds) <= grid / 2 + 1e-6
    assert wait >= seconds / 2 - 1e-6


def test_a_loop_that_was_stopped_takes_no_further_turn() -> None:
    turns: list[int] = []
    stopped, other = (
        Loop("stopped", 0.001, lambda _: turns.append(1)),
        Loop("other", 0.001, lambda _: ticks.append(1)),
    )
    stopped.start()
    stopped.stop(60)
    so_far, ticks = len(turns), list[int]()
    other.start()
    while len(ticks) < 10:
        gevent.idle()
    other.stop(60)

    assert len(turns) == so_far


def test_stopping_waits_for_the_turn_under_way_but_not_for_ever() -> None:
    entered, never, ended = Event(), Event(), Event()

    def turn(_late: float) -> None:
        entered.set()
        try:
            never.wait()
        finally:
            ended.set()

    loop = Loop("hang", 0.001, turn)
    loop.start()
    assert entered.wait(60)
    loop.stop(0.05)
    assert ended.is_set()


def test_what_holds_the_loop_up_is_measured_and_told_once() -> None:
    lag = LoopLag()
    lag.start()
    try:
        gevent.spawn_later(0.001, hold, 0).join()
        lag.take()

        gevent.spawn(hold, 0.05).join()
        gevent.spawn_later(0.001, hold, 0).join()  # so that the turn is over

        assert lag.take() >= 0.05
        assert lag.take() == 0
    finally:
        lag.stop()


def hold(seconds: float) -> None:
    """Keep the thread busy, as a unit of work does that is too long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
