"""Removing files that nothing names, and finding those that were lost or altered.

A turn removes what has become unused, goes through the folders for what no row knows (the server
died while it came or went, or its databases were restored from before), and reads a part of the
files through, those first that nobody has read for longest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import gevent

from opsicle.kit.clock import Clock
from opsicle.server.contents.content_store import ContentStore
from opsicle.server.store import contents, orgs
from opsicle.server.store.contents import ContentRow
from opsicle.server.store.database import Database

log = logging.getLogger(__name__)

AT_ONCE = 100
CHECK_AGAIN_AFTER = timedelta(days=1)
BYTES_PER_TURN = 1024 * 1024 * 1024
_PAUSE_SECONDS = 0.01
"""Between two steps, so that others have the greater part of the event loop."""


class ContentSweep:
    """Looks after the files. `on_damage` hears of each that is found lost or altered."""

    def __init__(
        self,
        store: ContentStore,
        database: Database,
        clock: Clock,
        on_damage: Callable[[str, str], None],
    ) -> None:
        self._store = store
        self._database = database
        self._clock = clock
        self._on_damage = on_damage

    def turn(self) -> None:
        """Take one turn; safe to call at any time."""
        for org_id in self._database.read(orgs.list_ids):
            self.remove_unused(org_id)
            self._remove_unknown(org_id)
        self.verify()

    def remove_unused(self, org_id: str) -> int:
        """Remove an org's files that nothing names any more, and return how many."""
        total = 0
        while unused := self._database.read(lambda db: contents.list_unused(db, org_id, AT_ONCE)):
            removed = sum(self._store.remove_unused(org_id, sha256) for sha256 in unused)
            total += removed
            if not removed:
                break
            gevent.sleep(_PAUSE_SECONDS)
        return total

    def _remove_unknown(self, org_id: str) -> None:
        folder = self._store.folder / org_id
        for shard in sorted(folder.iterdir()) if folder.is_dir() else ():
            with self._store.placing:
                self._remove_unknown_of(org_id, shard)
            gevent.sleep(_PAUSE_SECONDS)

    def _remove_unknown_of(self, org_id: str, shard: Path) -> None:
        rows = self._database.read(lambda db: contents.list_of_prefix(db, org_id, shard.name))
        known = {row.sha256 for row in rows}
        for path in shard.iterdir():
            if path.name not in known:
                path.unlink()
                log.warning("a file that nothing names is removed", extra={"file": path.name})

    def verify(self, most_bytes: int = BYTES_PER_TURN) -> int:
        """Read so many bytes of files through, and return how many files were wrong."""
        began, wrong = self._clock.now(), 0
        while most_bytes > 0:
            rows = self._database.read(lambda db: contents.list_longest_unchecked(db, AT_ONCE))
            rows = [row for row in rows if row.checked_at < began - CHECK_AGAIN_AFTER]
            if not rows:
                break
            for row in rows:
                wrong += self._verify(row)
                most_bytes -= row.size
                if most_bytes <= 0:
                    break
        return wrong

    def _verify(self, row: ContentRow) -> bool:
        problem = self._store.problem_of(row.org_id, row.sha256, row.size)
        now = self._clock.now()
        self._database.write(
            lambda db: contents.note_check(db, row.org_id, row.sha256, problem, now)
        )
        if problem and problem != row.problem:
            log.error("an artifact is damaged", extra={"file": row.sha256, "reason": problem})
            self._on_damage(row.sha256, problem)
        return bool(problem)
