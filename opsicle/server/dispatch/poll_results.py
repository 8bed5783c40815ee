"""What a poll is to be answered, as far as it is found out from what the poll says."""

from __future__ import annotations

import msgspec

from opsicle.domain.automations import JobState
from opsicle.server.dispatch.leased_work import LeasedWork
from opsicle.server.fleet.presence import Presence
from opsicle.server.store import jobs, pauses
from opsicle.server.store.database import Connection
from opsicle.server.store.jobs import JobRow
from opsicle.wire.worker_api import PollRequest


class PollResult(msgspec.Struct):
    """What a poll is to be answered, as one transaction has found it."""

    leased: LeasedWork = msgspec.field(default_factory=LeasedWork)
    cancel: list[str] = msgspec.field(default_factory=list)
    drop: list[str] = msgspec.field(default_factory=list)
    returned: list[JobRow] = msgspec.field(default_factory=list)
    unknown: list[str] = msgspec.field(default_factory=list)
    busy: int = 0

    @property
    def is_idle(self) -> bool:
        """Whether the worker has nothing, and there was nothing for it."""
        return not (self.busy or self.leased.items or self.leased.refused or self.returned)

    def has_changes(self, notified_jobs: set[str]) -> bool:
        """Return whether there is anything that the worker has not been told at once before."""
        return bool(self.leased.items) or not notified_jobs.issuperset(self.cancel + self.drop)


NOTHING = PollResult()
"""What a look would find that is not made. Nobody changes it."""


def labels_to_announce(presence: Presence, request: PollRequest) -> dict[str, str] | None:
    """Return the labels granted to a worker beyond its own, if its poll does not name these.

    None, too, for one that is too old to hear of it.
    """
    if request.sent_at_ms is None:
        return None
    beyond = {
        key: text for key, text in presence.granted.items() if request.labels.get(key) != text
    }
    return beyond if beyond != request.granted else None


def jobs_to_drop(
    db: Connection, worker_id: str, listed: dict[str, int], held: list[JobRow]
) -> tuple[list[str], list[str]]:
    """Return the listed jobs that should stop, and those that the server never heard of.

    The former had a newer lease, or it was taken back. One that is `unknown` but still the newest
    may go on, and one that has ended meanwhile needs no word.
    """
    rightful = {job.id for job in held if listed.get(job.id) == job.fence}
    wanted = [job_id for job_id in listed if job_id not in rightful]
    own = jobs.list_of_worker(db, worker_id, wanted) if wanted else []
    lost = [job.id for job in own if _is_lost(job, listed[job.id])]
    return lost, [job_id for job_id in wanted if job_id not in {job.id for job in own}]


def note_paused_to_drop(
    db: Connection, worker_id: str, request: PollRequest, result: PollResult
) -> None:
    """Note which jobs that a worker keeps for people it may forget: they are over, or unknown."""
    ids = [job.job_id for job in request.paused]
    known = pauses.list_known(db, worker_id, ids)
    result.drop += [job_id for job_id in ids if known.get(job_id) is False]
    result.unknown += [job_id for job_id in ids if job_id not in known]


def _is_lost(job: JobRow, fence: int) -> bool:
    if job.pause_id and job.state in {JobState.PAUSED, JobState.LEASED}:
        return False  # the worker has just paused it, or is looking after what it left paused
    return job.fence != fence or not job.is_newest or job.state == JobState.RETURNED
