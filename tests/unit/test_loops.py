"""Loops that run for as long as the server does."""

from __future__ import annotations

import gevent
import pytest
from gevent.event import Event

from opsicle.server.loop import Loop


def test_a_loop_survives_a_turn_that_fails_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    turns, third = [], Event()

    def turn(_late: float) -> None:
        turns.append(1)
        if len(turns) == 3:
            third.set()
        raise RuntimeError("a bad turn")

    loop = Loop("count", 0.001, turn)
    loop.start()
    assert third.wait(10)
    loop.stop(5)

    assert "a turn failed" in caplog.text


def test_a_loop_that_was_stopped_takes_no_further_turn() -> None:
    turns: list[int] = []
    stopped, other = Loop("stopped", 0.001, lambda _: turns.append(1)), Loop("other", 0.001, lambda _: ticks.append(1))
    stopped.start()
    stopped.stop(5)
    so_far, ticks = len(turns), list[int]()
    other.start()
    while len(ticks) < 10:
        gevent.idle()
    other.stop(5)

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
    assert entered.wait(10)
    loop.stop(0.05)
    assert ended.is_set()
