"""SQL of the server's epoch, and of whether its queue is held.

The epoch grows with every restore, so that nothing older is ever taken for newer: it stands in
fences, orders and the record, and workers keep the newest that they were given an order of. Its id
tells two servers apart that have come to the same number from copies of one.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

import apsw

from opsicle.server.store import settings

_EPOCH, _EPOCH_ID, _HELD, _KNOWN = "epoch", "epoch_id", "held", "known_epoch"

FENCE_BITS = 32
"""A fence is the epoch less one, times 2 to the power of this, plus a count.

It fits into 53 bits for a long time.
"""


class Epoch(NamedTuple):
    """A number, and what makes it this server's."""

    number: int
    id: str

    @property
    def fence_floor(self) -> int:
        """What every fence of this epoch is greater than, and none of an earlier epoch is."""
        return (self.number - 1) << FENCE_BITS


FIRST_EPOCH = Epoch(1, "")


def find(db: apsw.Connection) -> Epoch | None:
    """Return the epoch, or None before the first one."""
    number = settings.find(db, _EPOCH)
    return Epoch(int(number), settings.find(db, _EPOCH_ID) or "") if number else None


def begin(db: apsw.Connection, number: int) -> Epoch:
    """Begin an epoch; its id is new."""
    epoch = Epoch(number, secrets.token_hex(8))
    settings.put(db, _EPOCH, str(epoch.number))
    settings.put(db, _EPOCH_ID, epoch.id)
    return epoch


def find_known(db: apsw.Connection) -> int:
    """Return the newest epoch that a worker has proven to have worked in; 0 if none has."""
    return int(settings.find(db, _KNOWN) or 0)


def note_known(db: apsw.Connection, number: int) -> None:
    """Keep which epoch a worker has proven to have worked in, if it is newer than what is known."""
    if number > find_known(db):
        settings.put(db, _KNOWN, str(number))


def find_hold(db: apsw.Connection) -> str:
    """Return why the queue is held; "" if it is not."""
    return settings.find(db, _HELD) or ""


def hold(db: apsw.Connection, reason: str) -> None:
    """Hold the queue, for good, until it is released; "" releases it."""
    settings.put(db, _HELD, reason)
