"""Telling people, inside the transaction of what they are told of: nothing is told that did not happen, or twice."""

from __future__ import annotations

from opsicle.domain.notices import Notice
from opsicle.kit.clock import Clock
from opsicle.kit.ids import new_id
from opsicle.server.store import notices
from opsicle.server.store.database import Connection


class Notices:
    """Keeps what people are to be told."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def post(self, db: Connection, notice: Notice) -> None:
        """Inside a transaction: record a notice."""
        now = self._clock.now()
        notices.insert(db, new_id(now), notice, now)
