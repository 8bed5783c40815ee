"""Doing what would hold up everyone in an OS thread, while other greenlets go on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import gevent
from gevent.hub import Waiter
from gevent.monkey import get_original
from gevent.threadpool import ThreadPool

T = TypeVar("T")


def run_in(pool: ThreadPool, function: Callable[..., T], *arguments: Any) -> T:
    """Call `function` in a thread of the pool and wait for it; what it raises is raised here.

    `ThreadPool.apply` alone would also report every such error to the hub, as if nobody had caught
    it.
    """
    value, error = pool.apply(_outcome, (function, arguments))
    if error is not None:
        raise error
    return value  # type: ignore[no-any-return]


def _outcome(
    function: Callable[..., Any], arguments: tuple[Any, ...]
) -> tuple[Any, BaseException | None]:
    try:
        return function(*arguments), None
    except BaseException as error:  # noqa: BLE001 - it belongs to the caller
        return None, error


class WorkerThread:
    """A thread of its own for one kind of work that is short and comes often.

    Belongs to the hub that makes it.

    Does what `run_in` with a pool of one does, at two thirds of the cost: with one queue that
    blocks in C, and one watcher that the loop keeps. The thread begins at the first call, so that a
    process may fork before.
    """

    def __init__(self) -> None:
        self._loop = gevent.get_hub().loop
        self._asked: Any = get_original("queue", "SimpleQueue")()
        self._answered: deque[tuple[Waiter[Any], tuple[Any, BaseException | None]]] = deque()
        self._wake: Any = None
        self._is_uninterrupted = False
        self._interruption: BaseException | None = None

    def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call `function` in the thread and wait for it; what it raises is raised here.

        Calls run one by one.
        """
        value: T = self.result(self.begin(function, *arguments))
        return value

    def begin(self, function: Callable[..., T], *arguments: Any) -> Waiter[Any]:
        """Have `function` called in the thread, and return what `result` waits with."""
        if self._wake is None:
            self._wake = self._loop.async_()
            self._wake.start(self._answer)
            get_original("_thread", "start_new_thread")(self._work, ())
        waiter: Waiter[Any] = Waiter()
        self._asked.put((waiter, function, arguments))
        return waiter

    def result(self, waiter: Waiter[Any]) -> Any:
        """Wait for what was begun; what it raises is raised here."""
        while True:
            try:
                value, error = waiter.get()
                break
            except BaseException as thrown:
                if not self._is_uninterrupted:
                    raise
                self._interruption = thrown
        if error is not None:
            raise error
        return value

    @contextmanager
    def uninterrupted(self) -> Iterator[None]:
        """Have what is thrown at this greenlet wait until it has all its results from the thread.

        For whoever must not leave off in the midst, as of a transaction. Not for two at once.
        """
        self._is_uninterrupted = True
        try:
            yield
        finally:
            self._is_uninterrupted = False
            thrown, self._interruption = self._interruption, None
            if thrown is not None:
                raise thrown

    def close(self) -> None:
        """Let the thread end behind what it has been asked. Nothing may be asked any more."""
        self._asked.put(None)
        if self._wake is not None:
            self._wake.close()

    def _work(self) -> None:
        while (asked := self._asked.get()) is not None:
            waiter, function, arguments = asked
            self._answered.append((waiter, _outcome(function, arguments)))
            del asked, waiter, function, arguments
            self._wake.send()

    def _answer(self) -> None:
        """Wake, in the hub, those who have their answer."""
        while self._answered:
            waiter, outcome = self._answered.popleft()
            waiter.switch(outcome)
