"""What a server does once it has had nothing to do for a while."""

from __future__ import annotations

from collections.abc import Callable

from opsicle.server.store.database import Database


class QuietTurn:
    """A loop's turn that calls `rest` once nothing was committed between two turns.

    Not again before something was.
    """

    def __init__(self, rest: Callable[[], None], database: Database) -> None:
        self._rest = rest
        self._database = database
        self._seen_version: int | None = None
        self._has_rested = False

    def __call__(self, _late_seconds: float) -> None:
        """Take a turn. Raises what `rest` does."""
        version = self._database.version()
        if version != self._seen_version:
            self._seen_version, self._has_rested = version, False
        elif not self._has_rested:
            self._has_rested = True
            self._rest()
