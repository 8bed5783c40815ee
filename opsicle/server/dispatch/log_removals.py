"""Removing the logs of jobs, whole, in small steps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import gevent

from opsicle.kit.clock import Clock
from opsicle.server.store import logs, whole_logs
from opsicle.server.store.database import Connection
from opsicle.server.store.log_database import LogDatabase

SEGMENTS_PER_PRUNING = 200
BYTES_PER_PRUNING = 1024 * 1024
PRUNING_PAUSE_SECONDS = 0.005
"""Between two steps, so that others have the greater part of the event loop."""


class LogRemovals:
    """What retention finds out of the log database, and removes from it."""

    def __init__(self, database: LogDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def list_kept(self, org_id: str, after_id: str, limit: int) -> list[whole_logs.JobLogRow]:
        """Return an org's logs of jobs after an id, the oldest first."""
        return self._database.read(lambda db: whole_logs.list_kept(db, org_id, after_id, limit))

    def look_up_sizes(self, rows: Sequence[whole_logs.JobLogRow]) -> list[whole_logs.JobLogRow]:
        """Return logs with how much they are, also those of before that was noted."""
        for row in rows:
            if not row.stored:
                self._database.write(partial(whole_logs.note_size, job_id=row.job_id))
        ids = [row.job_id for row in rows]
        return self._database.read(lambda db: whole_logs.list_of_jobs(db, ids))

    def remove(self, job_ids: Sequence[str], rule: str) -> None:
        """Remove whole logs, in small steps, and let it stay known when and by which rule."""
        now = self._clock.now()
        self._database.write(lambda db: whole_logs.note_removal(db, job_ids, now, rule))
        self._delete(job_ids)
        self._database.write(lambda db: whole_logs.note_gone(db, job_ids))

    def finish(self) -> None:
        """Remove what is left of logs in whose removal the server has died."""
        while left := self._database.read(
            lambda db: whole_logs.list_leaving(db, SEGMENTS_PER_PRUNING)
        ):
            self._delete(left)
            self._database.write(partial(whole_logs.note_gone, job_ids=left))

    def delete_of_jobs(self, job_ids: Sequence[str]) -> None:
        """Delete the whole logs of jobs that are about to go themselves, likewise."""
        self._delete(job_ids)

        def work(db: Connection) -> None:
            for job_id in job_ids:
                _forget(db, job_id)

        self._database.write(work)

    def forget_org(self, org_id: str) -> None:
        """Count nothing any more for an org that is gone."""
        self._database.write(lambda db: logs.delete_usage(db, org_id))

    def release_free_space(self) -> None:
        """Give the room that is free back to the disk, in small steps."""
        self._database.release_free_space()

    def _delete(self, job_ids: Sequence[str]) -> None:
        """Delete segments, a few at a time and never many bytes: that holds the event loop."""
        find = partial(logs.list_of_jobs, job_ids=job_ids, limit=SEGMENTS_PER_PRUNING)
        while places := self._database.read(find):
            self._database.write(partial(_delete_all, rowids=_up_to(BYTES_PER_PRUNING, places)))
            gevent.sleep(PRUNING_PAUSE_SECONDS)


def _delete_all(db: Connection, rowids: list[int]) -> None:
    """Delete segments, and count off what they took."""
    logs.delete_lines_of(db, rowids)
    for gone in logs.delete(db, rowids):
        logs.add_usage(db, gone.org_id, -gone.stored)


def _forget(db: Connection, job_id: str) -> None:
    """Remove what is noted of a log that is gone."""
    logs.delete_gaps(db, job_id)
    logs.delete_lines(db, job_id)
    whole_logs.delete(db, job_id)


def _up_to(size: int, places: Sequence[logs.SegmentPlace]) -> list[int]:
    """Return the first few places, one at least, that take so many bytes together at most."""
    chosen: list[int] = []
    for place in places:
        size -= place.stored
        if chosen and size < 0:
            break
        chosen.append(place.rowid)
    return chosen
