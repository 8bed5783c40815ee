"""What is still heard and ended of a job once no phase of it runs, at its end or for a pause."""

from __future__ import annotations

import time

from opsicle.worker.attempt import RunContext, stop_job

_DRAIN_SECONDS = 0.5  # for `> >(tee …)` and the like, which end a little after their shell


def end_remaining_processes(context: RunContext) -> None:
    """End what phases have left running, daemons aside, and take its last words."""
    drain_output(context, _DRAIN_SECONDS)
    if context.runtimes.has_processes():
        stop_job(context, keep_daemons=True)
    context.output.drain()


def drain_output(context: RunContext, seconds: float) -> None:
    """Take what is still printed, for so long.

    And all that was printed, for as long as the sink has no room.
    """
    output = context.output
    until = time.monotonic() + seconds
    while True:
        now = time.monotonic()
        next_due = output.turn(now)
        if not output.is_held_up and (not output.is_open or now >= until):
            return
        context.waiter.turn(min(next_due, until) if now < until else next_due)
