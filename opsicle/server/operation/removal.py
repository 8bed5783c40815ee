"""Removing an org: asked for with its name typed, done after a time in which it can be restored.

A removal is a row (`org_removals`) from its beginning to its end, and goes on from there after a
crash: each step takes a bounded number of rows, and can be taken again. Logs go before the rows by
which they are found, files after those that name them. The server's own record has when it was
asked for, begun and done, by whom, and how much that was; the org's own record goes with it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import gevent
from gevent.threadpool import ThreadPool

from opsicle.domain.errors import Conflict
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import SystemActor
from opsicle.server.contents.content_store import ContentStore
from opsicle.server.dispatch.job_logs import JobLogs
from opsicle.server.dispatch.lease_store import LeaseStore
from opsicle.server.identity.sessions import Sessions
from opsicle.server.store import (
    audit,
    contents,
    jobs,
    org_quotas,
    org_removals,
    orgs,
    retention,
    suspensions,
)
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.org_removals import RemovalRow
from opsicle.server.threads import run_in
from opsicle.server.workers.service import Workers

log = logging.getLogger(__name__)

AUTOMATIONS_AT_ONCE = 100
ROWS_AT_ONCE = 500
"""Rows removed in one unit of work: it holds the event loop."""

PAUSE_SECONDS = 0.01
"""Between two steps, so that others have the greater part of the event loop."""


class OrgRemoval:
    """Removes orgs whose time has come. Called again it goes on where it was."""

    def __init__(  # noqa: PLR0913, PLR0917 - all that holds something of an org
        self,
        database: Database,
        job_logs: JobLogs,
        files: ContentStore,
        workers: Workers,
        leases: LeaseStore,
        sessions: Sessions,
        clock: Clock,
    ) -> None:
        self._database = database
        self._job_logs = job_logs
        self._files = files
        self._workers = workers
        self._leases = leases
        self._sessions = sessions
        self._clock = clock
        self._threads = ThreadPool(1)

    def turn(self) -> int:
        """Remove what is due and what an earlier run has begun; return how many orgs that was."""
        now = self._clock.now()
        for org_id in self._database.read(lambda db: suspensions.list_due(db, now)):
            self._begin(org_id)
        rows = self._database.read(org_removals.list_all)
        for row in rows:
            try:
                self._remove(row)
            except OSError:
                # The next turn tries again; orgs behind this one do not wait for it.
                log.exception("the files of the org %s cannot be removed", row.code)
        return len(rows)

    def _begin(self, org_id: str) -> None:
        """Shut out who belongs to an org, people and workers, and note that it is being removed."""
        log_bytes = self._job_logs.usage().get(org_id, 0)

        def work(db: Connection) -> list[str]:
            org = orgs.find(db, org_id)
            heir_id = org_removals.find_heir(db, org_id)
            if org is None or org_removals.find(db, org_id):
                return []
            if not heir_id:
                raise Conflict("the last org of a server cannot be removed")
            suspension, size = suspensions.find(db, org_id), org_quotas.size(db, org_id)
            row = RemovalRow(
                org_id,
                org.code,
                suspension.asked_by,
                self._clock.now(),
                size.automations if size else 0,
                0,
                0,
                log_bytes,
                contents.stored(db, org_id),
            )
            org_removals.begin(db, row)
            workers = org_removals.list_own_workers(db, org_id)
            org_removals.shut_out(db, org_id, heir_id)
            data = {"id": org_id, "asked_by": row.asked_by, "automations": row.automations}
            _record(db, self._clock, "begin_removal", row, data)
            return workers

        workers = self._sessions.change(work)
        for job_id in self._held_jobs(org_id):
            self._leases.end(job_id)
        for worker_id in workers:
            self._workers.forget(worker_id)

    def _held_jobs(self, org_id: str) -> list[str]:
        held = self._database.read(jobs.list_all_held)
        return [job.id for job in held if job.org_id == org_id]

    def _remove(self, row: RemovalRow) -> None:
        """Remove all of an org, and what has come meanwhile, until nothing is left."""
        self._empty(row.org_id)
        while not self._finish(row.org_id):
            self._empty(row.org_id)

    def _empty(self, org_id: str) -> None:
        while ids := self._read(
            partial(org_removals.list_automations, org_id=org_id, limit=AUTOMATIONS_AT_ONCE)
        ):
            self._job_logs.removals.delete_of_jobs(
                self._read(partial(retention.list_jobs, ids=ids))
            )
            self._step(org_id, partial(_delete_automations, ids=ids), of_automations=True)

        for table in self._read(org_removals.list_tables):
            delete = partial(
                org_removals.delete_some, table=table, org_id=org_id, limit=ROWS_AT_ONCE
            )
            while self._step(org_id, delete):
                pass

        while ids := self._read(
            partial(org_removals.list_members, org_id=org_id, limit=ROWS_AT_ONCE)
        ):
            self._step(org_id, partial(org_removals.delete_members, org_id=org_id, user_ids=ids))

        run_in(self._threads, _remove_folder, self._files.folder / org_id)
        self._job_logs.removals.forget_org(org_id)

    def _finish(self, org_id: str) -> bool:
        """End a removal if nothing is left, in the very transaction in which that is seen."""

        def work(db: Connection) -> bool:
            row = org_removals.find(db, org_id)
            if row is None:
                return True
            if _removes_more(db, org_id):
                return False
            org_removals.finish(db, org_id)
            data = {
                "asked_by": row.asked_by,
                "automations": row.removed,
                "rows": row.rows_removed,
                "log_bytes": row.log_bytes,
                "artifact_bytes": row.artifact_bytes,
            }
            _record(db, self._clock, "remove", row, data)
            return True

        if not self._database.write_unchecked(work):
            return False
        self._sessions.invalidate()
        self._database.release_free_space()
        self._job_logs.removals.release_free_space()
        return True

    def _step(
        self, org_id: str, delete: Callable[[Connection], int], *, of_automations: bool = False
    ) -> int:
        def work(db: Connection) -> int:
            gone = delete(db)
            if gone:
                org_removals.count(db, org_id, gone if of_automations else 0, gone)
            return gone

        gone = self._database.write_unchecked(work)
        if gone:
            gevent.sleep(PAUSE_SECONDS)
        return gone

    def _read(self, query: Callable[[Connection], list[str]]) -> list[str]:
        return self._database.read(query)

    def close(self) -> None:
        """End the thread that removes files."""
        self._threads.kill()


def _remove_folder(folder: Path) -> None:
    """Remove all files of an org. Raises OSError where that cannot be."""
    # With what it imports for archives it takes half a megabyte; few servers ever remove an org.
    import shutil

    if folder.exists():
        shutil.rmtree(folder)


def _removes_more(db: Connection, org_id: str) -> bool:
    """Remove a step of whatever has come meanwhile; return whether there was anything."""
    if org_removals.list_automations(db, org_id, 1) or org_removals.list_members(db, org_id, 1):
        return True
    return any(
        org_removals.delete_some(db, table, org_id, ROWS_AT_ONCE)
        for table in org_removals.list_tables(db)
    )


def _delete_automations(db: Connection, ids: list[str]) -> int:
    retention.delete_dependents(db, ids)
    return retention.delete(db, ids)


def _record(
    db: Connection, clock: Clock, verb: str, row: RemovalRow, data: dict[str, object]
) -> None:
    audit.append(db, clock.now(), None, SystemActor(), verb, f"orgs/{row.code}", data)
