"""Fetching the files that jobs are given from the server, before they start."""

from __future__ import annotations

import logging
from pathlib import Path

from opsicle.domain.errors import LeaseLost, NotAllowed, NotAuthenticated, OpsicleError
from opsicle.domain.files import InputFile
from opsicle.wire.endpoints import jobs as endpoints
from opsicle.wire.jobs import Work
from opsicle.wire.worker_api import FileRequest
from opsicle.worker.connection import AWAY
from opsicle.worker.input_files import WrongFile, receive, staging_folder
from opsicle.worker.job import HeldJob
from opsicle.worker.job_reporter import JobReporter
from opsicle.worker.verification import NoRoom, Refused
from opsicle.worker.workspace import remove_folder

log = logging.getLogger(__name__)

_WHOLE_JOB = (*AWAY, LeaseLost, NotAllowed, NotAuthenticated)
"""What concerns more than the file that is asked for."""


class FileDownloads:
    """Fetches the files of jobs before they start."""

    def __init__(self, workspaces: Path, reporter: JobReporter) -> None:
        self._workspaces = workspaces
        self._reporter = reporter
        self._fetched: set[str] = set()

    def fetch(self, job: HeldJob, work: Work) -> bool:
        """Fetch a job's files from the server. False if it is no longer to begin here.

        Raises Refused for a file that is not the one that was ordered, or is not to be had, and
        NoRoom where the disk takes none.
        """
        if not work.files:
            return True
        self._fetched.add(job.id)

        def read(file: InputFile, offset: int) -> bytes:
            try:
                request = FileRequest(job.fence, file.sha256, offset)
                return self._reporter.retry(job, endpoints.FILE, request).data
            except _WHOLE_JOB:
                raise
            except OpsicleError as error:
                raise WrongFile(f"the file {file.name} cannot be had: {error.message}") from error

        folder = staging_folder(self._workspaces, job.id)
        try:
            return self._reporter.ask(job, lambda: receive(work.files, folder, read))
        except WrongFile as wrong:
            raise Refused(str(wrong)) from wrong
        except OSError as error:
            reason = error.strerror or str(error)
            raise NoRoom(f"its disk does not take the files: {reason}") from error

    def forget(self, job_id: str) -> None:
        """Remove what no workspace has taken of a job that is over, or does not begin."""
        if job_id not in self._fetched:
            return
        self._fetched.discard(job_id)
        if problem := remove_folder(staging_folder(self._workspaces, job_id)):
            log.warning("files of a job are left", extra={"job_id": job_id, "reason": problem})
