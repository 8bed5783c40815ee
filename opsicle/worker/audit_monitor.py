"""The audit monitor: a worker keeps the newest checkpoint of its org's record that it was shown.

A server whose record was rewritten, or set back, must show a checkpoint that contradicts it. The
worker then keeps the older one as the proof, logs an error, and tells the server once.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

import msgspec

from opsicle.kit import files
from opsicle.security.checkpoints import hash_of
from opsicle.wire.audit import SeenCheckpoint

log = logging.getLogger(__name__)


class AuditMonitor:
    """What one worker has seen of the record, in a file of its data folder.

    Used by the poller's thread alone.

    `report` is what the server is to be told with the next poll, "" for nothing; `reported` says
    that it has been.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._last = _read(file)
        self._has_logged = False
        self.report = ""

    def see(self, shown: SeenCheckpoint) -> None:
        """Compare a shown checkpoint with those before, and keep it if it goes on from there."""
        if shown == self._last:
            return

        contradiction = self._last and _contradiction(self._last, shown)
        if contradiction:
            self._log_contradiction(contradiction)
            return

        self._last = shown
        # On a full disk the next one may find room, and until then this run remembers.
        with suppress(OSError):
            files.replace(self._file, msgspec.json.encode(shown))

    def reported(self) -> None:
        """Note that the server has the report."""
        self.report = ""

    def _log_contradiction(self, contradiction: str) -> None:
        if not self._has_logged:
            self._has_logged = True
            self.report = contradiction
            log.error("the server's audit record was rewritten", extra={"reason": contradiction})


def _contradiction(before: SeenCheckpoint, after: SeenCheckpoint) -> str:
    """Return how the later of two checkpoints cannot be of the same history; "" if it can."""
    old, new = before.checkpoint, after.checkpoint
    if after.chain != before.chain:
        return f"the record is another one: it was {before.chain}, it is {after.chain}"
    if new.number < old.number or new.seq < old.seq:
        return (
            f"checkpoint {new.number} at entry {new.seq} "
            f"is older than {old.number} at entry {old.seq}"
        )
    if new.number == old.number:
        return f"checkpoint {new.number} is another than the one seen before"
    if new.number == old.number + 1 and new.previous != hash_of(before.chain, old):
        return f"checkpoint {new.number} does not follow checkpoint {old.number} as it was seen"

    return ""


def _read(file: Path) -> SeenCheckpoint | None:
    """Return what an earlier run has seen.

    A file that is absent or damaged is as if there had been none.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=SeenCheckpoint)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
