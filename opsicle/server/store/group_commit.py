"""Units of work that share commits: what comes while one is under way goes into the next."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gevent
from gevent.hub import Waiter

from opsicle.server.store.units import Outcome, Unchecked, Unit
from opsicle.server.threads import WorkerThread

MAX_BATCH = 200
"""Units in one commit: bounds how long the first of them waits for the last."""


class GroupCommit:
    """Commits units, one batch after the other.

    Where no commit is under way, a unit is committed in the greenlet of whoever brings it: to hand
    it to another one and back would take two turns of the event loop. What comes meanwhile is
    committed by a greenlet of our own. `commit` runs units in one transaction, waiting in `thread`
    alone. `rest` is called between two commits where it `wants_rest`.
    """

    def __init__(
        self,
        commit: Callable[[list[Unit]], list[Outcome]],
        thread: WorkerThread,
        wants_rest: Callable[[], bool],
        rest: Callable[[], None],
    ) -> None:
        self._commit = commit
        self._thread = thread
        self._wants_rest = wants_rest
        self._rest = rest
        self._is_under_way = False
        self._waiting: list[tuple[Unit, Waiter[Any]]] = []
        self._greenlet: gevent.Greenlet[..., None] | None = None

    @property
    def is_free(self) -> bool:
        """Whether no commit is under way."""
        return not self._is_under_way

    def run(self, unit: Unit) -> Any:
        """Run a unit, and return what it does once it is committed. Raises what it does."""
        if self._is_under_way:
            result: Waiter[Any] = Waiter()
            self._waiting.append((unit, result))
            return result.get()

        self._is_under_way = True
        with self._thread.uninterrupted():
            try:
                [(value, failure)] = self._commit([unit])
            finally:
                self._go_on()
        if failure is not None:
            raise failure
        return value

    def finish(self) -> None:
        """Wait until nothing is under way. Nothing may be brought meanwhile."""
        while self._is_under_way:
            with suppress(Exception):  # theirs who brought it
                self.run(lambda _: None)
            if self._greenlet:
                self._greenlet.join()

    def _go_on(self) -> None:
        if self._waiting or self._wants_rest():
            self._greenlet = gevent.spawn(self._commit_waiting)
        else:
            self._is_under_way = False

    def _commit_waiting(self) -> None:
        """Commit batch after batch until none waits."""
        self._rest_if_wanted()
        while self._waiting:
            batch = self._next_batch()
            try:
                outcomes = self._commit([unit for unit, _ in batch])
            except Exception as error:  # noqa: BLE001 - each caller gets it; none may wait for ever
                outcomes = [(None, error)] * len(batch)

            tell = gevent.get_hub().loop.run_callback
            for (_, result), (value, failure) in zip(batch, outcomes, strict=True):
                if failure is None:
                    tell(result.switch, value)
                else:
                    tell(result.throw, failure)
            self._rest_if_wanted()
        self._is_under_way, self._greenlet = False, None

    def _rest_if_wanted(self) -> None:
        if self._wants_rest():
            self._rest()

    def _next_batch(self) -> list[tuple[Unit, Waiter[Any]]]:
        """Take the units that are committed next: one that is unchecked goes alone."""
        gathered = self._waiting[:MAX_BATCH]
        apart = (i for i, (unit, _) in enumerate(gathered) if isinstance(unit, Unchecked))
        count = max(1, next(apart, MAX_BATCH))
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch
