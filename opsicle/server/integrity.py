"""Reading through the databases while the server works.

After a clean stop nobody waits for it at the start.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import gevent
from gevent.threadpool import ThreadPool

from opsicle.domain.errors import Conflict
from opsicle.server.store.integrity import Interrupted, check_integrity
from opsicle.server.threads import run_in

log = logging.getLogger(__name__)

_LOWEST_PRIORITY = 19


class IntegrityCheck:
    """Checks one database in a thread of the lowest priority. Whoever starts it stops it."""

    def __init__(self, database: Path, on_damage: Callable[[Conflict], None]) -> None:
        self._database = database
        self._on_damage = on_damage
        self._pool = ThreadPool(1)
        self._is_stopping = threading.Event()
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def start(self) -> None:
        """Begin."""
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """Give up what is not done yet."""
        self._is_stopping.set()
        if self._greenlet:
            self._greenlet.join()
        self._pool.kill()

    def _run(self) -> None:
        try:
            run_in(self._pool, self._check)
        except Interrupted:
            return
        except Conflict as error:
            self._on_damage(error)
        else:
            log.info("database checked", extra={"database": self._database.name})

    def _check(self) -> None:
        with suppress(OSError):  # a favour to others, and no more
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)
        check_integrity(self._database, self._is_stopping.is_set)
