"""Whether the queue is held: after a restore nothing is handed out until a person says that it may.

What waits in a restored database may have run since, where the database knows nothing of it; only
people can tell.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from opsicle.domain.errors import Conflict
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import Actor, SystemActor
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.store import audit, epochs
from opsicle.server.store.database import Connection, Database

log = logging.getLogger(__name__)


class Hold:
    """Holds and releases the queue of the whole server.

    `on_changed` hears of either, after it is durable.
    """

    def __init__(self, database: Database, fleet: Fleet, clock: Clock) -> None:
        self._database = database
        self._fleet = fleet
        self._clock = clock
        self.on_changed: Callable[[], None] = lambda: None
        fleet.held = database.read(epochs.find_hold)

    @property
    def is_held(self) -> bool:
        """Whether nothing is handed out."""
        return bool(self._fleet.held)

    @property
    def reason(self) -> str:
        """Why, in words that people see with what waits; "" if it is not held."""
        return self._fleet.held

    def hold(
        self, reason: str, extra_work: Callable[[Connection], None] = lambda _db: None
    ) -> None:
        """Hand nothing out from now on; harmless if that is so already.

        `extra_work` is written with it.

        If it cannot be written nothing is handed out all the same, until it is released or the
        server ends; the next call tries to write it again.
        """
        if self.is_held and self._database.read(epochs.find_hold):
            return
        if not self.is_held:
            log.error("the queue is held", extra={"reason": reason})
            self._fleet.held = reason  # before the write: what comes meanwhile must not go out

        def work(db: Connection) -> None:
            if epochs.find_hold(db):
                return  # another call was first
            extra_work(db)
            epochs.hold(db, reason)
            audit.append(
                db,
                self._clock.now(),
                None,
                SystemActor(),
                "hold_queue",
                "server",
                {"reason": reason},
            )

        self._database.write(work)
        self.on_changed()

    def release(self, actor: Actor) -> None:
        """Let what waits go out.

        The caller has made sure that the actor may. Raises Conflict if nothing is held.
        """

        def work(db: Connection) -> None:
            if not (self.is_held or epochs.find_hold(db)):
                raise Conflict("the queue is not held")

            epochs.hold(db, "")
            audit.append(
                db,
                self._clock.now(),
                None,
                actor,
                "release_queue",
                "server",
                {"reason": self.reason},
            )

        self._database.write(work)
        self._fleet.held = ""
        self._fleet.wake_everyone()
        self.on_changed()
