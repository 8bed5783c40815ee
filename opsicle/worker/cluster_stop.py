"""Ending a job's work in a cluster over time: TERM to all of it, a grace, KILL, till it is gone."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import NamedTuple

from opsicle.worker.engine_calls import EngineCall
from opsicle.worker.process import Child

_REMOVE_SECONDS = 20.0
"""How long killing may take after the grace; whoever asks may be one of many."""

_FOLLOWER_SECONDS = 5.0
"""How long it may take until the last output has come from the node, once nothing runs there."""

_LOOK_SECONDS, _ASK_SECONDS = 0.1, 0.5


class StopScripts(NamedTuple):
    """What a cluster is told, as scripts of the shell with what names the job as `$1`.

    `ask` prints what there still is of it.
    """

    term: str
    kill: str
    ask: str


class ClusterStop:
    """Ends what a cluster has of a job, without ever blocking; see `Stop` for the contract.

    `child` is what follows it here; at TERM it asks the cluster more often.
    """

    def __init__(
        self, scripts: StopScripts, name: str, child: Child | None, now: float, grace_seconds: float
    ) -> None:
        self.survivors = 0
        self._scripts = scripts
        self._name = name
        self._child = child
        self._kill_at = now + grace_seconds
        self._give_up_at = self._kill_at + _REMOVE_SECONDS
        self._gone_at: float | None = None
        self._is_asking = False
        self._call = self._start(scripts.term) if grace_seconds > 0 else None
        self._ask_at = now + _ASK_SECONDS
        if child:
            child.send(signal.SIGTERM)

    def turn(self, now: float) -> float | None:
        """Do what is due at `now`, and return when to call again, or None once all is over."""
        if self._gone_at is None and self._look(now):
            self._gone_at = now
        if self._gone_at is None and now < self._give_up_at:
            return now + _LOOK_SECONDS

        if self._gone_at is None:
            self.survivors = 1
            if self._call:
                self._call.give_up()
        elif self._child and not self._child.has_ended():
            if now < self._gone_at + _FOLLOWER_SECONDS:
                return now + _LOOK_SECONDS
            with suppress(OSError):
                os.killpg(self._child.pid, signal.SIGKILL)
        return None

    def _look(self, now: float) -> bool:
        """Ask again and again, and kill it once that is due; True once nothing of it is there."""
        if self._call:
            answer = self._call.answer()
            if answer is None:
                return False
            self._call = None
            if self._is_asking and answer.exit_code == 0 and not answer.output.strip():
                return True
        if now >= self._kill_at or now >= self._ask_at:
            self._is_asking = True
            self._ask_at = now + _ASK_SECONDS
            kill = f"{self._scripts.kill} >/dev/null 2>&1\n" if now >= self._kill_at else ""
            self._call = self._start(kill + self._scripts.ask)
        return False

    def _start(self, script: str) -> EngineCall | None:
        try:
            return EngineCall(["/bin/sh", "-c", script, "sh", self._name])
        except OSError:  # no more processes: it is tried again
            return None
