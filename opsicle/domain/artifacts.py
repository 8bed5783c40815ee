"""Which files a phase leaves behind as artifacts, what they may be called, and how many there are.

A pattern is a path below the workspace. `*`, `?` and `[…]` stand for parts of one name, `**` for
any number of folders. As in a shell, none of them stands for a name that begins with a dot: hidden
files are taken where the pattern says so.
"""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Iterable, Mapping

import msgspec

from opsicle.domain.names import has_control_characters

MAX_PATTERNS = 20
MAX_PATH_BYTES = 500
"""Of an artifact's path in UTF-8."""

MAX_ARTIFACTS = 200
"""Of one job: they stand in everything that shows its automation."""

MIB = 1024 * 1024
_ANY_FOLDERS = "**"

Segments = tuple[str, ...]


class ArtifactLimits(msgspec.Struct, frozen=True):
    """How many bytes one artifact, and all of one job together, may have."""

    file_bytes: int = 100 * MIB
    job_bytes: int = 1024 * MIB


def pattern_problem(pattern: str) -> str:
    """Return why this is no pattern for artifacts, "" if it is one."""
    if not pattern or len(pattern.encode(errors="replace")) > MAX_PATH_BYTES:
        return f"must have 1 to {MAX_PATH_BYTES} bytes"
    parts = pattern.split("/")
    if any(part in {"", ".", ".."} for part in parts):
        return "must be a path below the workspace: relative, and without `.` and `..`"
    if any(_ANY_FOLDERS in part and part != _ANY_FOLDERS for part in parts):
        return "`**` stands for whole folders, so it must stand alone between slashes"
    if parts.count(_ANY_FOLDERS) > 1:
        return "may have one `**` at most"
    return ""


def path_problem(path: str) -> str:
    """Return why a file of this path cannot be an artifact, "" if it can."""
    if any("\ud800" <= character <= "\udfff" for character in path):
        return "its name is not UTF-8"
    if has_control_characters(path):
        return "its name holds control characters"
    if len(path.encode()) > MAX_PATH_BYTES:
        return f"its path is longer than {MAX_PATH_BYTES} bytes"
    if any(part in {"", ".", ".."} for part in path.split("/")):
        return "its path does not lie below the workspace"
    return ""


def list_digest(digests: Mapping[str, str]) -> str:
    """Return the SHA-256 in hex of what `sha256sum` prints of files, in the order of their paths.

    `digests` are theirs, by path.
    """
    lines = (f"{digest}  {path}\n" for path, digest in sorted(digests.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


class PatternWalk:
    """How far patterns have been followed on the way down into folders."""

    def __init__(self, states: Iterable[Segments]) -> None:
        self._states = frozenset(states)

    @classmethod
    def begin(cls, patterns: Iterable[str]) -> PatternWalk:
        """Return the walk at the workspace itself."""
        return cls(tuple(pattern.split("/")) for pattern in patterns)

    def enter(self, name: str) -> PatternWalk:
        """Return the walk at a name in this folder."""
        return PatternWalk(state for before in self._states for state in _after(before, name))

    @property
    def is_complete(self) -> bool:
        """Whether a file here is meant."""
        return () in self._states or (_ANY_FOLDERS,) in self._states

    @property
    def goes_on(self) -> bool:
        """Whether something below this name may be meant."""
        return any(self._states)


def _after(segments: Segments, name: str) -> Iterable[Segments]:
    if not segments:
        return
    first, rest = segments[0], segments[1:]
    if first == _ANY_FOLDERS:
        if not name.startswith("."):
            yield segments
        yield from _after(rest, name)
    elif _is_match(first, name):
        yield rest


def _is_match(segment: str, name: str) -> bool:
    if name.startswith(".") and not segment.startswith("."):
        return False
    return fnmatch.fnmatchcase(name, segment)
