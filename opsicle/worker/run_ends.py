"""What is still heard and ended of a job once no phase of it runs, at its end or for a pause."""

from __future__ import annotations

import time

from opsicle.worker.attempt import RunContext, stop_job

_LAST_WORDS_SECONDS = 0.5  # for `> >(tee …)` and the like, which end a little after their shell


def end_leftovers(around: RunContext) -> None:
    """End what phases have left running, daemons aside, and take its last words."""
    hear_out(around, _LAST_WORDS_SECONDS)
    if around.runtimes.left_something():
        stop_job(around, spares_daemons=True)
    around.output.drain()


def hear_out(around: RunContext, seconds: float) -> None:
    """Take what is still printed, for so long.

    And all that was printed, for as long as the sink has no room.
    """
    output = around.output
    until = time.monotonic() + seconds
    while True:
        now = time.monotonic()
        next_due = output.turn(now)
        if not output.is_held_up and (not output.is_open or now >= until):
            return
        around.waiter.turn(min(next_due, until) if now < until else next_due)
