"""Something done again and again for as long as the server runs."""

from __future__ import annotations

import logging
from collections.abc import Callable

import gevent
from gevent.event import Event

log = logging.getLogger(__name__)


class Loop:
    """Calls `turn` every `seconds`. Whoever starts it stops it; a turn that fails is logged and the next one tries."""

    def __init__(self, name: str, seconds: float, turn: Callable[[], object]) -> None:
        self.name = name
        self._seconds = seconds
        self._turn = turn
        self._stopping = Event()
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def start(self) -> None:
        """Begin; the first turn comes after the first wait."""
        self._greenlet = gevent.spawn(self._run)

    def stop(self, seconds: float) -> None:
        """Let the turn under way end, for so many seconds at most."""
        self._stopping.set()
        if self._greenlet:
            self._greenlet.join(timeout=seconds)
            self._greenlet.kill(timeout=1)

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            try:
                self._turn()
            except Exception:
                log.exception("a turn failed", extra={"loop": self.name})
