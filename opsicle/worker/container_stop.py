"""Ending containers over time: TERM to all in them, a grace, KILL, and removal."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence

from opsicle.worker.container_script import TERM_ALL, TERMINATED
from opsicle.worker.engine_calls import EngineAnswer, EngineCall
from opsicle.worker.process import Child

_REMOVE_SECONDS = 20.0
"""How long killing and removing may take after the grace; an engine on a busy machine is slow."""

_LOOK_SECONDS, _COLLECT_SECONDS = 0.02, 0.2
_ASK_AGAIN_SECONDS = 0.2
"""How long to wait before an engine is told again, or asked again whether a container runs."""

_ENGINE_FAILED = frozenset({125, 126, 127})
"""What engines exit with when they could not run a container, of which something may be left."""

_PAUSED = "paused"
_ALIVE = frozenset({"running", _PAUSED, "stopping"})
"""What engines call the state of a container whose processes may still use their grace; those of
one that somebody has paused can, once it is let go on."""

_Heard = Callable[[EngineAnswer, float], None]
"""What is done once a call's answer has come."""


class RunningContainer:
    """A container by its name, and the engine's program that runs it and waits for its end."""

    def __init__(self, engine: str, name: str, client: Child) -> None:
        self.engine = engine
        self.name = name
        self.client = client
        self.was_client_terminated = False
        self.was_removed = False

    @property
    def is_gone(self) -> bool:
        """Whether it has ended and was removed: the engine's program says so by its own end.

        That of a program that was sent TERM says nothing: see `_OneStop`.
        """
        if self.was_removed or self.was_client_terminated:
            return self.was_removed
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
        for each in self._pending:
            each.begin(now)

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
    """The ending of one container, by one call of the engine after the other.

    TERM goes to all in the container by a call of its own. The engine's program, which would hand
    it on, is sent TERM only where there is no container yet, as while it fetches the image: podman
    exits at once, and leaves the container running, where it cannot hand a signal on, as in the
    moment after the start while it has not yet noted that the container runs.
    """

    def __init__(self, container: RunningContainer, kill_at: float) -> None:
        self._container = container
        self._kill_at = kill_at
        self._is_told = False
        self._call: EngineCall | None = None
        self._heard: _Heard = self._told
        self._had_client_ended = False
        self._next_at = 0.0
        self._ended_at: float | None = None

    def begin(self, now: float) -> None:
        """Begin to tell all in it to end, if they have any grace."""
        if not self._container.is_gone:
            self._go_on(now)

    def is_over(self, now: float) -> bool:
        """Do what is due. True once the container is gone, and no call is under way."""
        if self._call is not None and (answer := self._call.answer()) is not None:
            self._call = None
            self._heard(answer, now)

        if not self._container.is_gone:
            if now >= self._kill_at:
                self._end_grace()
            self._go_on(now)
        return self._container.is_gone and self._call is None

    def give_up(self) -> None:
        """End the call that is under way."""
        if self._call is not None:
            self._call.give_up()
            self._call = None

    def _end_grace(self) -> None:
        """Kill the engine's program, and do not wait any longer for what was to be told."""
        if not self._is_told:
            self._is_told = True
            self.give_up()
        # First of all: as long as it lives it could still make the container.
        if not self._container.client.has_ended():
            self._container.client.send(signal.SIGKILL)

    def _go_on(self, now: float) -> None:
        """Begin the next call, once it is due."""
        if self._call is not None or now < self._next_at:
            return
        if not self._is_told and now < self._kill_at:
            self._begin(now, self._told, "exec", self._container.name, *TERM_ALL)
        elif self._has_client_ended(now):
            self._look(now)

    def _has_client_ended(self, now: float) -> bool:
        """Whether it has, and its exit code is known, by which there may be nothing left to do.

        Where nobody collects it, as where the worker itself must end, that is not waited for long.
        """
        client = self._container.client
        if not client.has_ended():
            return False
        self._ended_at = self._ended_at or now
        return client.exit_status is not None or now >= self._ended_at + _COLLECT_SECONDS

    def _begin(self, now: float, heard: _Heard, *arguments: str) -> None:
        self._heard = heard
        try:
            self._call = EngineCall((self._container.engine, *arguments))
        except OSError:  # no more processes: once more, and in the end KILL comes
            self._next_at = now + _ASK_AGAIN_SECONDS

    def _told(self, answer: EngineAnswer, now: float) -> None:
        if answer.exit_code in TERMINATED:
            self._is_told = True
        else:
            self._look(now)

    def _look(self, now: float) -> None:
        """Ask for the container's state, which is nothing where there is none."""
        self._had_client_ended = self._container.client.has_ended()
        named = f"name=^{self._container.name}$"
        self._begin(now, self._looked, "ps", "--all", "--filter", named, "--format", "{{.State}}")

    def _looked(self, answer: EngineAnswer, now: float) -> None:
        """Decide by the container's state, if there still is one, what is to be done next."""
        state = answer.output.strip().lower()
        if answer.exit_code == 0 and not state:
            self._found_none()
            return

        if state == _PAUSED and now < self._kill_at:
            self._begin(now, self._unpaused, "unpause", self._container.name)
            return
        may_be_used = answer.exit_code != 0 or state in _ALIVE or not self._had_client_ended
        if now < self._kill_at and may_be_used:
            self._next_at = now + _ASK_AGAIN_SECONDS
        else:
            self._begin(now, self._killed, "kill", "--signal", "KILL", self._container.name)

    def _unpaused(self, _answer: EngineAnswer, now: float) -> None:
        """Let what can hear again be told, or try once more if the engine could not."""
        self._next_at = now + _ASK_AGAIN_SECONDS

    def _found_none(self) -> None:
        if self._had_client_ended:
            self._container.was_removed = True
        else:
            self._is_told = self._container.was_client_terminated = True
            self._container.client.send(signal.SIGTERM)

    def _killed(self, _answer: EngineAnswer, now: float) -> None:
        self._begin(now, self._removed, "rm", "--force", self._container.name)

    def _removed(self, _answer: EngineAnswer, now: float) -> None:
        self._look(now)
