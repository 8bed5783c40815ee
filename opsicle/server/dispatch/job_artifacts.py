"""Taking the files that jobs leave behind, from the workers that hold them."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path

import msgspec

from opsicle.domain.artifacts import MAX_ARTIFACTS, MIB, ArtifactLimits, path_problem
from opsicle.domain.automations import JobState
from opsicle.domain.errors import Conflict, InvalidInput, LeaseLost, Unavailable
from opsicle.kit.clock import Clock
from opsicle.kit.ids import new_id
from opsicle.server.access.actor import WorkerActor
from opsicle.server.contents.content_store import ContentStore, Upload
from opsicle.server.contents.content_sweep import AT_ONCE, ContentSweep
from opsicle.server.dispatch.held_jobs import get_answerable
from opsicle.server.dispatch.quotas import artifact_bytes
from opsicle.server.dispatch.unknown_jobs import UnknownJobs
from opsicle.server.fleet.pubsub import PubSub, automation_topic
from opsicle.server.store import artifacts, contents, jobs, orgs
from opsicle.server.store.artifacts import ArtifactRow
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.jobs import JobRow
from opsicle.wire.jobs import MAX_EXPLANATION
from opsicle.wire.worker_api import ArtifactReply, ArtifactRequest

LEAST_AGE = timedelta(days=7)
"""What is younger is not removed to make room for more."""

_SETTLED = True


class ArtifactBounds(msgspec.Struct, frozen=True):
    """How much is kept: of one job, of one org on disk, and how long."""

    limits: ArtifactLimits = msgspec.field(default_factory=ArtifactLimits)
    org_bytes: int = 20 * 1024 * MIB
    keep: timedelta = timedelta(days=90)


class JobArtifacts:
    """What jobs leave behind. A stale fence changes nothing, and all may be sent again."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a file touches
        self,
        database: Database,
        store: ContentStore,
        sweep: ContentSweep,
        unknown: UnknownJobs,
        pubsub: PubSub,
        clock: Clock,
        bounds: ArtifactBounds,
    ) -> None:
        self._database = database
        self._store = store
        self._sweep = sweep
        self._unknown = unknown
        self._pubsub = pubsub
        self._clock = clock
        self.bounds = bounds
        self._busy: set[str] = set()

    def receive(self, worker: WorkerActor, job_id: str, request: ArtifactRequest) -> ArtifactReply:
        """Take a part of a file; once all of it is here, keep it, durably.

        What is too large, or one too many, is refused for good, and the automation says so. Raises
        LeaseLost as `Jobs.log` does, InvalidInput for what no worker of ours sends, Unavailable
        where it is to be sent again.
        """
        with self._unknown.recording(worker, job_id):
            job = self._database.read(lambda db: get_answerable(db, worker, job_id, request.fence))
        _check(request)
        if self._is_known(job, request):
            return ArtifactReply(request.size, _SETTLED)
        if job_id in self._busy:
            raise Unavailable("another part of this job's files is just being received")

        self._busy.add(job_id)
        try:
            reply = self._receive(worker, job, request)
        finally:
            self._busy.discard(job_id)
        if reply.is_settled:
            self._pubsub.changed(automation_topic(job.automation_id))
        return reply

    def _is_known(self, job: JobRow, request: ArtifactRequest) -> bool:
        row = self._database.read(lambda db: artifacts.find(db, job.id, request.path))
        return row is not None and (row.sha256 or "", row.phase, bool(row.problem)) == (
            request.sha256,
            request.phase,
            bool(request.problem),
        )

    def _receive(self, worker: WorkerActor, job: JobRow, request: ArtifactRequest) -> ArtifactReply:
        problem = request.problem or self._refusal(job, request)
        if problem:
            return self._refuse(worker, job, request, problem)

        upload = Upload(job.id, request.sha256, request.size)
        received = self._store.append(upload, request.offset, request.data)
        if received < request.size:
            return ArtifactReply(received)

        row = self._row(job, request, request.sha256, "")

        def keep(db: Connection) -> bool:
            self.require_fits(db, job.org_id)
            return self._insert(db, worker, row, request)

        try:
            kept = self._store.keep(job.org_id, upload, keep)
        except LeaseLost:
            raise
        except Conflict as full:
            return self._refuse(worker, job, request, full.message)
        return ArtifactReply(request.size, _SETTLED) if kept else ArtifactReply(0)

    def _refuse(
        self, worker: WorkerActor, job: JobRow, request: ArtifactRequest, problem: str
    ) -> ArtifactReply:
        """Keep nothing of a file but its name, and why."""
        self._store.forget(job.id)
        row = self._row(job, request, None, problem[:MAX_EXPLANATION])
        self._database.write(partial(self._insert, worker=worker, row=row, request=request))
        return ArtifactReply(0, _SETTLED)

    @staticmethod
    def _insert(
        db: Connection, worker: WorkerActor, row: ArtifactRow, request: ArtifactRequest
    ) -> bool:
        get_answerable(db, worker, row.job_id, request.fence)  # it may have passed on meanwhile
        if row.sha256 is None and artifacts.count_of_job(db, row.job_id) >= 2 * MAX_ARTIFACTS:
            return True  # enough is known of what is missing
        artifacts.insert(db, row)
        return True

    def _row(
        self, job: JobRow, request: ArtifactRequest, sha256: str | None, problem: str
    ) -> ArtifactRow:
        now = self._clock.now()
        return ArtifactRow(
            id=new_id(now),
            job_id=job.id,
            path=request.path,
            org_id=job.org_id,
            automation_id=job.automation_id,
            phase=request.phase,
            size=request.size,
            sha256=sha256,
            problem=problem,
            created_at=now,
        )

    def _refusal(self, job: JobRow, request: ArtifactRequest) -> str:
        """Return why a file cannot be kept, or ""."""
        limits = self.bounds.limits
        if request.size > limits.file_bytes:
            return f"it is larger than {limits.file_bytes // MIB} MiB"

        others = [
            row
            for row in self._database.read(lambda db: artifacts.list_of_job(db, job.id))
            if row.path != request.path and row.sha256
        ]
        if len(others) >= MAX_ARTIFACTS:
            return f"an automation may leave {MAX_ARTIFACTS} artifacts"
        if sum(row.size for row in others) + request.size > limits.job_bytes:
            return (
                f"the artifacts of one automation may have {limits.job_bytes // MIB} MiB together"
            )

        if request.offset == 0:
            return self.quota_problem(job.org_id, request.sha256, request.size)
        return ""

    def quota_problem(self, org_id: str, sha256: str, size: int) -> str:
        """Return why a file does not fit into its org's share, "" if it does.

        Old artifacts make room for it.
        """
        if self._has_room(org_id, sha256, size):
            return ""
        return (
            f"the files of this org take all of its {self._org_bytes(org_id) // MIB} MiB, "
            f"and no artifact of them is older than {LEAST_AGE.days} days"
        )

    def _has_room(self, org_id: str, sha256: str, size: int) -> bool:
        def missing() -> int:
            def query(db: Connection) -> int:
                more = 0 if contents.find(db, org_id, sha256) is not None else size
                most = artifact_bytes(db, org_id, self.bounds.org_bytes)
                return contents.stored(db, org_id) + more - most

            return self._database.read(query)

        while missing() > 0:
            if not self._expire(
                org_id, LEAST_AGE, "it was removed to make room for newer artifacts"
            ):
                return False
        return True

    def _org_bytes(self, org_id: str) -> int:
        return self._database.read(lambda db: artifact_bytes(db, org_id, self.bounds.org_bytes))

    def require_fits(self, db: Connection, org_id: str) -> None:
        """Raise Conflict if what was just put takes an org beyond its share.

        Others may have been put since `quota_problem` was asked.
        """
        most = artifact_bytes(db, org_id, self.bounds.org_bytes)
        if contents.stored(db, org_id) > most:
            raise Conflict(
                f"the files of this org take all of its {most // MIB} MiB",
                hint="Whoever runs the server can give it more.",
            )

    def prune(self) -> None:
        """Remove what is too old, what nothing names, and drafts of jobs that are over."""
        for org_id in self._database.read(orgs.list_ids):
            days = self.bounds.keep.days
            while self._expire(org_id, self.bounds.keep, f"it was kept for {days} days"):
                pass
        self._remove_drafts()
        self._sweep.turn()

    def _expire(self, org_id: str, age: timedelta, reason: str) -> int:
        """Remove some of an org's files that are older, and return how many."""
        before = self._clock.now() - age

        def work(db: Connection) -> int:
            rows = artifacts.list_oldest(db, org_id, before, AT_ONCE)
            for row in rows:
                artifacts.expire(db, row.job_id, row.path, reason)
            return len(rows)

        expired = self._database.write(work)
        if expired:
            self._sweep.remove_unused(org_id)
        return expired

    def _remove_drafts(self) -> None:
        for path in self._store.drafts():
            job_id = path.name.partition(".")[0]
            job = self._database.read(partial(jobs.find, job_id=job_id))
            if job_id not in self._busy and (job is None or not _may_go_on(path, job, self._clock)):
                self._store.forget(job_id)


def _may_go_on(draft: Path, job: JobRow, clock: Clock) -> bool:
    """Return whether the worker of a job may still send the rest of a file."""
    if job.state == JobState.RUNNING:
        return True
    age = clock.now().timestamp() - draft.stat().st_mtime
    return job.state == JobState.UNKNOWN and age < LEAST_AGE.total_seconds()


def _check(request: ArtifactRequest) -> None:
    """Raise InvalidInput for what no worker of ours sends."""
    if problem := path_problem(request.path):
        raise InvalidInput(f"an artifact's path cannot be used: {problem}")
    if not (request.sha256 or request.problem):
        raise InvalidInput("an artifact comes without its digest")
    if request.offset + len(request.data) > request.size:
        raise InvalidInput("a part of an artifact lies beyond its end")
