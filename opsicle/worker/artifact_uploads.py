"""Carrying one job's artifacts from the spool to the server, in pieces, a file at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from opsicle.domain.errors import LeaseLost, NotAllowed, NotAuthenticated, OpsicleError
from opsicle.wire.worker_api import MAX_ARTIFACT_BYTES, ArtifactReply, ArtifactRequest
from opsicle.worker.artifact_spool import ArtifactSpool, SpooledArtifact
from opsicle.worker.connection import AWAY

log = logging.getLogger(__name__)

_MOST_STARTS = 3
"""So often a file is sent from its beginning before its copy here is taken for damaged."""

_FOR_GOOD = (*AWAY, LeaseLost, NotAllowed, NotAuthenticated)
"""What concerns the whole job and not one file."""

Ask = Callable[[ArtifactRequest], ArtifactReply]


class ArtifactUploads:
    """Sends what waits. Any thread may; one does at a time, and the others wait for it."""

    def __init__(self, job_id: str, fence: int, spool: ArtifactSpool) -> None:
        self._job_id = job_id
        self._fence = fence
        self._spool = spool
        self._sending = threading.Lock()

    def send(self, ask: Ask) -> None:
        """Send all that waits; once this returns, the server has settled it.

        `ask` makes one call, and tries until there is an answer; what it raises for the whole job
        is raised here. A file that the server does not take is given up, and said so in the log.
        """
        with self._sending:
            for artifact in self._spool.waiting():
                try:
                    self._send(artifact, ask)
                except _FOR_GOOD:
                    raise
                except (OpsicleError, OSError) as error:
                    reason = error.message if isinstance(error, OpsicleError) else str(error)
                    log.error(  # noqa: TRY400 - the stack does not say why
                        "an artifact is given up", extra={"job_id": self._job_id, "reason": reason}
                    )
                    self._give_up(artifact, reason, ask)
                self._spool.acknowledge(artifact)

    def _send(self, artifact: SpooledArtifact, ask: Ask) -> None:
        request = ArtifactRequest(
            fence=self._fence,
            phase=artifact.phase,
            path=artifact.path,
            size=artifact.size,
            sha256=artifact.sha256,
            problem=artifact.problem,
        )

        starts, offset = 1, 0
        while True:
            request.offset = offset
            request.data = (
                b"" if artifact.problem else self._spool.read(artifact, offset, MAX_ARTIFACT_BYTES)
            )
            reply = ask(request)
            if reply.is_settled:
                return

            starts += reply.received == 0
            if starts > _MOST_STARTS or reply.received > artifact.size:
                raise OSError("its copy on the worker's disk is damaged")
            offset = reply.received

    def _give_up(self, artifact: SpooledArtifact, reason: str, ask: Ask) -> None:
        """Let the automation say that a file of it is missing, if the server takes as much."""
        if artifact.problem:
            return
        request = ArtifactRequest(
            fence=self._fence, phase=artifact.phase, path=artifact.path, problem=reason
        )
        try:
            ask(request)
        except _FOR_GOOD:
            raise
        except OpsicleError as error:
            log.warning(
                "the server does not take that an artifact is missing",
                extra={"job_id": self._job_id, "reason": error.message},
            )
