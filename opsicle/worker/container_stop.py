"""Ending containers over time: TERM to all in them, a grace, KILL, and removal."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from contextlib import suppress

from opsicle.worker.container_script import TERM_ALL
from opsicle.worker.engine_calls import EngineCall
from opsicle.worker.process import Child

_REMOVE_SECONDS = 20.0
"""How long killing and removing may take after the grace; an engine on a busy machine is slow."""

_LOOK_SECONDS, _COLLECT_SECONDS = 0.02, 0.2
_ENGINE_FAILED = frozenset({125, 126, 127})
"""What engines exit with when they could not run a container, of which something may be left."""


class RunningContainer:
    """A container by its name, and the engine's program that runs it and waits for its end."""

    def __init__(self, engine: str, name: str, client: Child) -> None:
        self.engine = engine
        self.name = name
        self.client = client

    @property
    def is_gone(self) -> bool:
        """Whether it has ended and was removed: the engine's program says so by its own end."""
        status = self.client.exit_status
        return status is not None and status >= 0 and status not in _ENGINE_FAILED


class ContainersStop:
    """Ends containers without ever blocking; see `Stop` for the contract."""

    def __init__(
        self, containers: Sequence[RunningContainer], now: float, grace_seconds: float
    ) -> None:
        self.survivors = 0
        self._give_up_at = now + grace_seconds + _REMOVE_SECONDS
        self._pending = [_OneStop(container, now + grace_seconds) for container in containers]
        if grace_seconds > 0:
            for each in self._pending:
                each.terminate()

    def turn(self, now: float) -> float | None:
        """Do what is due at `now`, and return when to call again, or None once all is over."""
        self._pending = [each for each in self._pending if not each.is_over(now)]
        if not self._pending:
            return None
        if now >= self._give_up_at:
            self.survivors = len(self._pending)
            for each in self._pending:
                each.give_up()
            return None
        return now + _LOOK_SECONDS


class _OneStop:
    """The ending of one container."""

    def __init__(self, container: RunningContainer, kill_at: float) -> None:
        self._container = container
        self._kill_at = kill_at
        self._terminating: EngineCall | None = None
        self._steps: list[tuple[str, ...]] = []
        self._call: EngineCall | None = None
        self._ended_at: float | None = None
        self._was_removed = False

    def terminate(self) -> None:
        """Send TERM to all in it, and to the engine's program: perhaps it only fetches the image.

        In a container that runs, that one hands its TERM on to the first process, which then waits
        for the others.
        """
        container = self._container
        if container.is_gone:
            return
        container.client.send(signal.SIGTERM)
        with suppress(OSError):  # no more processes: the grace will pass, and KILL comes
            self._terminating = EngineCall((container.engine, "exec", container.name, *TERM_ALL))

    def is_over(self, now: float) -> bool:
        """Do what is due. True once the container is gone, and no call is under way."""
        has_terminated = self._terminating is None or self._terminating.answer() is not None
        if self._container.is_gone:
            return has_terminated and (self._call is None or self._call.answer() is not None)

        client = self._container.client
        if not client.has_ended():
            if now >= self._kill_at:
                # First of all: as long as it lives it could still make the container.
                client.send(signal.SIGKILL)
            return False

        if client.exit_status is None and now < self._collected_by(now):
            return False
        return self._is_removed() and has_terminated

    def give_up(self) -> None:
        """End the calls that are under way."""
        for call in (self._terminating, self._call):
            if call is not None:
                call.give_up()

    def _collected_by(self, now: float) -> float:
        """Return by when its exit code, which says whether there is anything left to do, is known.

        Unless nobody collects it, as where the worker itself must end.
        """
        self._ended_at = self._ended_at or now
        return self._ended_at + _COLLECT_SECONDS

    def _is_removed(self) -> bool:
        """Kill and remove it step by step, and look; again and again until it is not there."""
        if self._was_removed:
            return True
        if self._call is not None:
            answer = self._call.answer()
            if answer is None:
                return False
            self._call = None
            if not self._steps and answer.exit_code == 0 and not answer.output.strip():
                self._was_removed = True
                return True

        if not self._steps:
            engine, name = self._container.engine, self._container.name
            self._steps = [
                (engine, "kill", "--signal", "KILL", name),
                (engine, "rm", "--force", name),
                (engine, "ps", "--all", "--quiet", "--filter", f"name=^{name}$"),
            ]

        with suppress(OSError):
            self._call = EngineCall(self._steps.pop(0))
        return False
