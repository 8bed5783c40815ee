"""Hashing passwords without holding anyone up.

One or two at a time, in threads of their own, and never a long queue.

The threads run at the lowest priority: on a busy machine logins wait for the work that is handed
out, not the other way round.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from gevent.threadpool import ThreadPool

from opsicle.security import passwords
from opsicle.server.org_limits import FairSemaphore
from opsicle.server.threads import run_in

T = TypeVar("T")

MAX_THREADS = 2
"""One hash takes about 0.03 s of a core and 19 MiB. One core at least is left to everything
else."""

LOWEST_PRIORITY = 19

MAX_WAITING = 25
"""Of one org, and of all together who belong to none, or are not known: so nobody waits longer than
a few seconds."""


class PasswordHasher:
    """Makes and checks password hashes. May be called from any greenlet."""

    def __init__(self) -> None:
        self._threads = ThreadPool(max(1, min(MAX_THREADS, (os.cpu_count() or 1) - 1)))
        self._semaphore = FairSemaphore("passwords", self._threads.maxsize, MAX_WAITING)

    def hash(self, password: str, org_id: str) -> str:
        """Return the text to store for a password.

        Raises TooManyRequests when too many of that org ("": of none) wait.
        """
        return self._run(org_id, passwords.hash_password, password)

    def verify(self, stored: str | None, given: str, org_id: str) -> bool:
        """Return whether `given` is the password.

        `stored` None, for no such account, takes just as long.

        Raises TooManyRequests when too many of that org ("": of none) wait.
        """
        return self._run(org_id, passwords.verify_password, stored or passwords.DUMMY, given)

    def _run(self, org_id: str, function: Callable[..., T], *arguments: Any) -> T:
        with self._semaphore.slot(org_id):
            result: T = run_in(self._threads, _yielding, function, *arguments)
        return result

    def close(self) -> None:
        """Wait for what is under way and end the threads."""
        self._threads.join()
        self._threads.kill()


def _yielding(function: Callable[..., T], *arguments: object) -> T:
    """Call it at the lowest priority, which on Linux a thread may have.

    See setpriority(2), BUGS.
    """
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
    return function(*arguments)
