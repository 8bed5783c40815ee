"""Letting the keeper end what runs on a target, over time."""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import suppress

from opsicle.worker import ssh_connection
from opsicle.worker.process import Child
from opsicle.worker.ssh_connection import SshConnection

_LOOK_SECONDS = 0.05
"""How often it is looked whether the target has ended what it was told to end."""

_STOPPED = re.compile(r"stopped ([0-9]{1,9})")
"""What the keeper answers to `stop`. A target may say anything else, which is no answer."""


class SshStop:
    """Lets the keeper end what runs on the target; see `Stop` for the contract."""

    def __init__(
        self, connection: SshConnection | None, child: Child | None, grace_seconds: float
    ) -> None:
        self.survivors = 0
        self._connection = connection
        self._child = child if child and child.exit_status is None else None
        self._is_stopped = self._child is None
        self._give_up_at = time.monotonic() + grace_seconds + ssh_connection.SECONDS_BEYOND_GRACE
        if connection and self._child:
            connection.tell(f"stop {round(grace_seconds + 0.49)}")

    def turn(self, now: float) -> float | None:
        """Do what is due at `now`, and return when to call again, or None once all is over."""
        for answer in self._connection.answers() if self._connection else ():
            if found := _STOPPED.fullmatch(" ".join(answer)):
                self._is_stopped = True
                self.survivors = int(found[1])
        has_ended = self._child is None or self._child.has_ended()
        if has_ended and (self._is_stopped or not (self._connection and self._connection.is_alive)):
            self._note_unstopped()
            return None
        if now >= self._give_up_at:
            self._cut()
            return None
        return now + _LOOK_SECONDS

    def _cut(self) -> None:
        """Let go of a target that does not answer."""
        if self._connection:
            self._connection.kill()
        if self._child and not self._child.has_ended():
            with suppress(OSError):
                os.killpg(self._child.pid, signal.SIGKILL)
        self._note_unstopped()

    def _note_unstopped(self) -> None:
        if not self._is_stopped:
            self.survivors = max(1, self.survivors)
