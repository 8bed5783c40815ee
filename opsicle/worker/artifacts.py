"""Taking the files that a phase leaves behind into the spool, within limits.

A file that holds a secret of the job is not taken: to mask it would make another file of it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import closing

from opsicle.domain.artifacts import MAX_ARTIFACTS, MIB, ArtifactLimits, path_problem
from opsicle.kit import files
from opsicle.worker.artifact_sources import ArtifactSource, LeftFile, NotTaken, WorkspaceSource
from opsicle.worker.artifact_spool import ArtifactSpool, SpooledArtifact
from opsicle.worker.masking import Mask, Masking
from opsicle.worker.os_account import OsAccount
from opsicle.worker.workspace import Workspace

_PIECE_BYTES = 256 * 1024
_MOST_NOTES = 20


class ArtifactCollector:
    """Copies what one job's phases leave behind into the spool.

    `spool` None: nobody keeps it, as in a run without a server.
    """

    def __init__(
        self,
        workspace: Workspace,
        account: OsAccount | None,
        spool: ArtifactSpool | None,
        limits: ArtifactLimits,
    ) -> None:
        self._here = WorkspaceSource(workspace.path, account)
        self._spool = spool
        self._limits = limits

    def collect(
        self,
        phase: int,
        patterns: Sequence[str],
        masking: Masking | None,
        source: ArtifactSource | None = None,
    ) -> Iterator[str]:
        """Take what the patterns of a phase mean, and yield what people are to know of it.

        From `source`, if that is not the workspace here. Raises nothing but what a defect does.
        """
        if not patterns:
            return
        if self._spool is None:
            yield "artifacts are kept by a server only"
            return

        taken, notes = 0, 0
        try:
            with closing((source or self._here).find(patterns)) as found:
                for left in found:
                    if self.is_full:
                        raise NotTaken(f"a job may leave {MAX_ARTIFACTS} artifacts")
                    artifact = self._take(self._spool, phase, left, masking)
                    taken += not artifact.problem
                    notes += bool(artifact.problem)
                    if artifact.problem and notes <= _MOST_NOTES:
                        yield f"artifact {artifact.path} is not kept: {artifact.problem}"
        except (OSError, NotTaken) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            yield f"no more artifacts of this phase are kept: {reason}"

        if notes > _MOST_NOTES:
            yield f"{notes - _MOST_NOTES} more files are not kept as artifacts"
        yield f"{taken} artifact{'' if taken == 1 else 's'} kept"

    @property
    def is_full(self) -> bool:
        """Whether no more is taken of this job."""
        return self._spool is not None and self._spool.count >= MAX_ARTIFACTS

    def _take(
        self, spool: ArtifactSpool, phase: int, left: LeftFile, masking: Masking | None
    ) -> SpooledArtifact:
        """Copy one file into the spool, or note there why it is not kept."""
        with spool.draft() as (number, draft):
            try:
                size, sha256 = self._copy(left, draft, masking, spool.kept_bytes)
                artifact = SpooledArtifact(number, phase, left.path, size, sha256)
            except NotTaken as reason:
                os.ftruncate(draft, 0)
                path = _shown(masking.text(left.path) if masking else left.path)
                artifact = SpooledArtifact(number, phase, path, problem=str(reason))
            spool.add(artifact)
        return artifact

    def _copy(
        self, left: LeftFile, draft: int, masking: Masking | None, kept_bytes: int
    ) -> tuple[int, str]:
        """Copy a file, and return its size and SHA-256. Raises NotTaken."""
        if problem := path_problem(left.path):
            raise NotTaken(problem)
        if masking and masking.text(left.path) != left.path:
            raise NotTaken("its path holds a secret of this job")

        def check_size(size: int) -> None:
            self._check_size(size, kept_bytes)

        with left.open(check_size) as read:
            size, digest = 0, hashlib.sha256()
            mask = Mask(masking) if masking else None
            shown = 0
            while piece := read(_PIECE_BYTES):
                size += len(piece)
                check_size(size)
                digest.update(piece)
                shown += len(mask.feed(piece)) if mask else 0
                files.write_all(draft, piece)

        # A mark is shorter than whatever it stands for.
        if mask and shown + len(mask.finish()) < size:
            raise NotTaken("it holds a secret of this job")
        return size, digest.hexdigest()

    def _check_size(self, size: int, kept_bytes: int) -> None:
        """Raise NotTaken for a file that is, or has grown, too large."""
        if size > self._limits.file_bytes:
            raise NotTaken(f"it is larger than {_mib(self._limits.file_bytes)}")
        if kept_bytes + size > self._limits.job_bytes:
            raise NotTaken(
                f"the artifacts of one automation may have {_mib(self._limits.job_bytes)} together"
            )


def _mib(size: int) -> str:
    return f"{size // MIB} MiB"


def _shown(path: str) -> str:
    """Return a path as it may stand in a line of text and in a message."""
    if path_problem(path):
        return ascii(path)[1:-1][:200]
    return path
