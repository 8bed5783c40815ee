"""Starting something for nobody who waits for an answer: it starts, is refused, or stays due."""

from __future__ import annotations

import logging
from collections.abc import Callable

from opsicle.domain.errors import OpsicleError, Unavailable
from opsicle.kit.clock import Clock
from opsicle.server.approvals.bindings import AlteredManifest
from opsicle.server.automations.starters import MOST_REASON_CHARACTERS

log = logging.getLogger(__name__)

AFTER_ERROR_SECONDS = 5.0
"""Until a start is tried again after an error of the server's."""


class AlreadyTaken(Exception):
    """Another turn was first, or nobody wants it any more. Raised in the transaction of a start."""


class Attempts:
    """Starts of one kind, each known by a key; what has met an error of the server's waits."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._not_before: dict[str, float] = {}

    def attempt(self, key: str, start: Callable[[], None], refuse: Callable[[str], None]) -> bool:
        """Start it, or have it refused with the reason. False if it stays due, or was taken.

        Raises Unavailable while nothing can be written: then all stays due.
        """
        if self._not_before.get(key, 0.0) > self._clock.monotonic():
            return False
        try:
            start()
        except AlreadyTaken:
            return False
        except Unavailable:
            raise
        except AlteredManifest as altered:
            refuse(str(altered)[:MOST_REASON_CHARACTERS])
        except OpsicleError as error:
            refuse(_reason(error)[:MOST_REASON_CHARACTERS])
        except Exception:
            log.exception("an automation could not be started", extra={"for": key})
            self._not_before[key] = self._clock.monotonic() + AFTER_ERROR_SECONDS
            return False
        self._not_before.pop(key, None)
        return True


def _reason(error: OpsicleError) -> str:
    """Return what is wrong in one line, the first mistake of several with its place."""
    if not error.problems:
        return error.message
    first = error.problems[0]
    return f"{error.message}: {first.path} {first.message}"
