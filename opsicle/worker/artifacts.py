"""Taking the files that a phase leaves behind, out of a folder that is its commands' own.

They may still run, and put a link in the place of whatever was looked at a moment ago. So every
folder and file is opened below the one before it, never through a link, and what was opened is
looked at again. Nothing is taken that is not the job's to give: no link, no device or pipe, nothing
on another file system, and where jobs run as another user, no file with a second name (it could be
a hard link to somebody else's). A file that holds a secret of the job is not taken either: to mask
it would make another file of it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from opsicle.domain.artifacts import MAX_ARTIFACTS, MIB, ArtifactLimits, PatternWalk, path_problem
from opsicle.kit import files
from opsicle.worker.artifact_spool import ArtifactSpool, SpooledArtifact
from opsicle.worker.masking import Mask, Masking
from opsicle.worker.process import OsAccount
from opsicle.worker.workspace import Workspace

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PIECE_BYTES = 256 * 1024
_MOST_DEPTH = 64
_MOST_NAMES = 100_000
"""That are looked at for one phase: a phase that leaves more is told to say more precisely."""

_MOST_NOTES = 20
_KINDS = {
    stat.S_IFLNK: "it is a symbolic link",
    stat.S_IFIFO: "it is a named pipe",
    stat.S_IFSOCK: "it is a socket",
    stat.S_IFCHR: "it is a device",
    stat.S_IFBLK: "it is a device",
    stat.S_IFDIR: "it is a folder; `/**` behind it means what is in it",
}


class _NotTaken(Exception):
    """A file is not taken; the text says why."""


class _Named(NamedTuple):
    """A name that patterns mean: its path, the folder that holds it, and what it was seen to be."""

    path: str
    name: str
    folder_fd: int
    seen: os.stat_result


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
        self._workspace = workspace
        self._account = account
        self._spool = spool
        self._limits = limits
        self._device = 0  # the workspace's, once that is open

    def collect(
        self, phase: int, patterns: Sequence[str], masking: Masking | None
    ) -> Iterator[str]:
        """Take what the patterns of a phase mean, and yield what people are to know of it.

        Raises nothing but what a defect does.
        """
        if not patterns:
            return
        if self._spool is None:
            yield "artifacts are kept by a server only"
            return

        taken, notes = 0, 0
        try:
            with self._open_workspace() as root:
                for place in self._walk(root, "", PatternWalk.begin(patterns), _Budget()):
                    if self.is_full:
                        raise _NotTaken(f"a job may leave {MAX_ARTIFACTS} artifacts")
                    artifact = self._take(self._spool, phase, place, masking)
                    taken += not artifact.problem
                    notes += bool(artifact.problem)
                    if artifact.problem and notes <= _MOST_NOTES:
                        yield f"artifact {artifact.path} is not kept: {artifact.problem}"
        except (OSError, _NotTaken) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            yield f"no more artifacts of this phase are kept: {reason}"

        if notes > _MOST_NOTES:
            yield f"{notes - _MOST_NOTES} more files are not kept as artifacts"
        yield f"{taken} artifact{'' if taken == 1 else 's'} kept"

    @property
    def is_full(self) -> bool:
        """Whether no more is taken of this job."""
        return self._spool is not None and self._spool.count >= MAX_ARTIFACTS

    @contextmanager
    def _open_workspace(self) -> Iterator[int]:
        fd = os.open(self._workspace.path, _FOLDER)
        try:
            self._device = os.fstat(fd).st_dev
            yield fd
        finally:
            os.close(fd)

    def _walk(
        self, folder_fd: int, parent: str, patterns: PatternWalk, budget: _Budget
    ) -> Iterator[_Named]:
        """Yield what is meant in a folder and below it, in the order of the names."""
        for name in sorted(os.listdir(folder_fd)):
            budget.count()
            here = patterns.enter(name)
            if not (here.is_complete or here.goes_on):
                continue
            try:
                seen = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
            except FileNotFoundError:  # its command still runs
                continue

            path = f"{parent}{name}"
            if stat.S_ISDIR(seen.st_mode) and here.goes_on:
                yield from self._enter(_Named(path, name, folder_fd, seen), here, budget)
            elif here.is_complete:
                yield _Named(path, name, folder_fd, seen)

    def _enter(self, place: _Named, patterns: PatternWalk, budget: _Budget) -> Iterator[_Named]:
        if place.path.count("/") >= _MOST_DEPTH or place.seen.st_dev != self._device:
            return
        try:
            fd = os.open(place.name, _FOLDER, dir_fd=place.folder_fd)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES}:
                return  # gone, or another thing now, or closed to us
            raise
        try:
            yield from self._walk(fd, f"{place.path}/", patterns, budget)
        finally:
            os.close(fd)

    def _take(
        self, spool: ArtifactSpool, phase: int, place: _Named, masking: Masking | None
    ) -> SpooledArtifact:
        """Copy one file into the spool, or note there why it is not kept."""
        with spool.draft() as (number, draft):
            try:
                size, sha256 = self._copy(place, draft, masking, spool.kept_bytes)
                artifact = SpooledArtifact(number, phase, place.path, size, sha256)
            except _NotTaken as reason:
                os.ftruncate(draft, 0)
                path = _shown(masking.text(place.path) if masking else place.path)
                artifact = SpooledArtifact(number, phase, path, problem=str(reason))
            spool.add(artifact)
        return artifact

    def _copy(
        self, place: _Named, draft: int, masking: Masking | None, kept_bytes: int
    ) -> tuple[int, str]:
        """Copy a file, and return its size and SHA-256. Raises _NotTaken."""
        if problem := path_problem(place.path):
            raise _NotTaken(problem)
        if masking and masking.text(place.path) != place.path:
            raise _NotTaken("its path holds a secret of this job")

        with self._open(place) as fd:
            size, digest = 0, hashlib.sha256()
            mask = Mask(masking) if masking else None
            shown = 0
            while piece := os.read(fd, _PIECE_BYTES):
                size += len(piece)
                self._check_size(size, kept_bytes)
                digest.update(piece)
                shown += len(mask.feed(piece)) if mask else 0
                files.write_all(draft, piece)

        # A mark is shorter than whatever it stands for.
        if mask and shown + len(mask.finish()) < size:
            raise _NotTaken("it holds a secret of this job")
        return size, digest.hexdigest()

    @contextmanager
    def _open(self, place: _Named) -> Iterator[int]:
        _require_plain(place.seen)
        try:
            fd = os.open(place.name, _FILE, dir_fd=place.folder_fd)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise _NotTaken(_KINDS[stat.S_IFLNK]) from None
            raise _NotTaken(f"it cannot be read: {error.strerror}") from None
        try:
            found = os.fstat(fd)
            _require_plain(found)
            if found.st_dev != self._device:
                raise _NotTaken("it is on another file system than the workspace")
            if self._account and found.st_nlink > 1:
                raise _NotTaken("it has a second name (a hard link), and may be another's file")
            self._check_size(found.st_size, self._spool.kept_bytes if self._spool else 0)
            yield fd
        finally:
            os.close(fd)

    def _check_size(self, size: int, kept_bytes: int) -> None:
        """Raise _NotTaken for a file that is, or has grown, too large."""
        if size > self._limits.file_bytes:
            raise _NotTaken(f"it is larger than {_mib(self._limits.file_bytes)}")
        if kept_bytes + size > self._limits.job_bytes:
            raise _NotTaken(
                f"the artifacts of one automation may have {_mib(self._limits.job_bytes)} together"
            )


class _Budget:
    """How many names have been looked at."""

    def __init__(self) -> None:
        self._names = 0

    def count(self) -> None:
        self._names += 1
        if self._names > _MOST_NAMES:
            raise _NotTaken(
                f"the patterns lead past more than {_MOST_NAMES:,} names; "
                "say more precisely where the files are"
            )


def _require_plain(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise _NotTaken(_KINDS.get(stat.S_IFMT(found.st_mode), "it is no regular file"))


def _mib(size: int) -> str:
    return f"{size // MIB} MiB"


def _shown(path: str) -> str:
    """Return a path as it may stand in a line of text and in a message."""
    if path_problem(path):
        return ascii(path)[1:-1][:200]
    return path
