"""Bringing files that a phase has left on its target, over the job's connection.

Two sessions: one lists the names in the workspace there, of which we choose; one sends those that
were chosen, by their numbers and with their sizes before them. So no name that comes with a file is
ever trusted, and no archive unpacked. What does not keep to that, or takes too long, ends it.
"""

from __future__ import annotations

import heapq
import itertools
import os
import re
import select
import shlex
import signal
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager

from opsicle.domain.artifacts import MAX_ARTIFACTS, ArtifactLimits, PatternWalk
from opsicle.worker import artifact_sources
from opsicle.worker.artifact_sources import (
    A_DEVICE,
    A_FOLDER,
    A_LINK,
    A_PIPE,
    A_SOCKET,
    NO_FILE,
    LeftFile,
    NotTaken,
    Read,
    too_many_names,
)
from opsicle.worker.process import Child
from opsicle.worker.ssh_scripts import RemoteFolder, quoted

SILENT_SECONDS = 60.0
"""How long the target may send nothing."""

FETCH_SECONDS = 600.0
"""How long the artifacts of a phase may take in all."""

_LIST_BYTES = 16 * 1024 * 1024
_NOISE_BYTES = 64 * 1024  # that a login shell may print before
_PIECE_BYTES = 256 * 1024
_HEADER_BYTES = 200
_LOOK_SECONDS = 0.2

_NOT_UNDERSTOOD = "the target's answer cannot be understood"
_TOO_SLOW = "the target takes too long to send them"

_LIST = """\
exec 2>/dev/null
[ ! -L "$base/work" ] && cd -P -- "$base/work" || exit 3
printf '\\n%s list\\n' "$nonce"
find {roots} -maxdepth {depth} -xdev -type d -print0
printf '\\0'
find {roots} -maxdepth {depth} -xdev ! -type d -print0
printf '\\0'
"""
"""Folders, an empty name, all others, an empty name."""

_SEND = """\
exec 2>/dev/null
[ ! -L "$base/work" ] && cd -P -- "$base/work" || exit 3
room={room}
size_of() {{ ls -ldn "$1" | {{ read -r mode links uid gid size rest; echo "$size"; }}; }}
send() {{
    kind=other size=0
    if [ -L "$1" ]; then kind=link
    elif [ -d "$1" ]; then kind=folder
    elif [ -p "$1" ]; then kind=pipe
    elif [ -S "$1" ]; then kind=socket
    elif [ -b "$1" ] || [ -c "$1" ]; then kind=device
    elif [ -f "$1" ] && [ ! -r "$1" ]; then kind=closed
    elif [ -f "$1" ] && size=$(size_of "$1"); then
        if [ "$size" -gt {most} ] || [ "$size" -gt "$room" ]; then kind=large
        elif head -c "$size" "$1" >"$base/sent"; then
            kind=file size=$(($(wc -c <"$base/sent")))
            room=$((room - size))
        else kind=copy
        fi
    fi
    printf '%s %s %s %s\\n' "$nonce" "$number" "$kind" "$size"
    [ "$kind" != file ] || cat "$base/sent"
    number=$((number + 1))
}}
number=0
printf '\\n%s files\\n' "$nonce"
"""
"""A file is copied before it is sent: its command may still write to it, and what was said of its
size must hold."""

_REFUSED = {
    b"link": A_LINK,
    b"folder": A_FOLDER,
    b"pipe": A_PIPE,
    b"socket": A_SOCKET,
    b"device": A_DEVICE,
    b"closed": "it cannot be read: Permission denied",
    b"copy": "it could not be copied on the target",
}


class SshArtifacts:
    """The files in a job's workspace on its target; see `ArtifactSource`.

    `start` runs a script there in a session of its own, and raises OSError where that cannot be.
    `is_cut` says whether nobody wants them any more.
    """

    def __init__(
        self,
        folder: RemoteFolder,
        limits: ArtifactLimits,
        start: Callable[[bytes], Child],
        is_cut: Callable[[], bool],
    ) -> None:
        self._folder = folder
        self._limits = limits
        self._start = start
        self._is_cut = is_cut
        self._until = time.monotonic() + FETCH_SECONDS

    def find(self, patterns: Sequence[str]) -> Generator[LeftFile]:
        """Yield what patterns mean. Raises OSError, NotTaken."""
        depth = _depth_of(patterns)
        names = _meant(self._list(patterns, depth), patterns, depth)
        if not names:
            return
        script = _SEND.format(room=self._limits.job_bytes, most=self._limits.file_bytes)
        words = b"".join(b"send " + quoted(f"./{name}") + b"\n" for name in names)

        with self._session(self._folder.names().encode() + script.encode() + words) as stream:
            stream.skip_to(f"\n{self._folder.nonce} files\n".encode())
            for number, name in enumerate(names):
                sent = self._next(stream, number)
                yield LeftFile(name, sent.open)
                sent.skip()

    def _list(self, patterns: Sequence[str], depth: int) -> tuple[list[str], list[str]]:
        """Return the folders in the workspace, and all else, as far as patterns may mean it."""
        firsts = {pattern.split("/")[0] for pattern in patterns}
        roots = firsts if not any(map(_is_wild, firsts)) else {""}
        script = _LIST.format(
            roots=" ".join(shlex.quote(f"./{root}") for root in sorted(roots)), depth=depth
        )
        with self._session(self._folder.names().encode() + script.encode()) as stream:
            stream.skip_to(f"\n{self._folder.nonce} list\n".encode())
            return stream.names(), stream.names()

    def _next(self, stream: _Stream, number: int) -> _Sent:
        said = re.fullmatch(
            rf"{self._folder.nonce} {number} ([a-z]+) ([0-9]{{1,18}})".encode(), stream.line()
        )
        if said is None or (said[1] == b"file" and int(said[2]) > self._limits.file_bytes):
            raise NotTaken(_NOT_UNDERSTOOD)
        return _Sent(stream, said[1], int(said[2]))

    @contextmanager
    def _session(self, script: bytes) -> Iterator[_Stream]:
        child = self._start(b"{\n" + script + b"}\n")
        try:
            yield _Stream(child, self._until, self._is_cut)
        finally:
            select.select([child.pidfd], [], [], _LOOK_SECONDS)
            child.send(signal.SIGKILL)
            os.close(child.stdout)
            os.close(child.stderr)
            child.wait()


class _Sent:
    """What the target says of one file, and sends of it."""

    def __init__(self, stream: _Stream, kind: bytes, size: int) -> None:
        self._stream = stream
        self._kind = kind
        self._size = size
        self._left = size if kind == b"file" else 0

    @contextmanager
    def open(self, check_size: Callable[[int], None]) -> Iterator[Read]:
        """Give what reads it. Raises NotTaken."""
        if self._kind in {b"file", b"large"}:
            check_size(self._size)
        if self._kind != b"file":
            raise NotTaken(_REFUSED.get(self._kind, NO_FILE))
        yield self._read

    def skip(self) -> None:
        """Let what was not read of it go by."""
        while self._read(_PIECE_BYTES):
            pass

    def _read(self, most: int) -> bytes:
        piece = self._stream.take(min(most, self._left)) if self._left else b""
        self._left -= len(piece)
        return piece


class _Stream:
    """What a session prints, as it comes. Raises NotTaken where no more comes, or is wanted."""

    def __init__(self, child: Child, until: float, is_cut: Callable[[], bool]) -> None:
        self._child = child
        self._until = until
        self._is_cut = is_cut
        self._buffer = b""

    def skip_to(self, mark: bytes) -> None:
        """Pass over what a login shell prints by itself."""
        self._buffer = b"\n" + self._buffer  # a line may be the first one
        while (at := self._buffer.find(mark)) < 0:
            if len(self._buffer) > _NOISE_BYTES:
                raise NotTaken(_NOT_UNDERSTOOD)
            self._more()
        self._buffer = self._buffer[at + len(mark) :]

    def line(self) -> bytes:
        """Return the next line without its end."""
        while b"\n" not in self._buffer:
            if len(self._buffer) > _HEADER_BYTES:
                raise NotTaken(_NOT_UNDERSTOOD)
            self._more()
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def names(self) -> list[str]:
        """Return the names that come, up to an empty one."""
        self._buffer = b"\0" + self._buffer  # so that none at all end as any
        seen = 0
        while (end := self._buffer.find(b"\0\0", seen)) < 0:
            if len(self._buffer) > _LIST_BYTES:
                raise too_many_names()
            seen = len(self._buffer) - 1
            self._more()
        listed, self._buffer = self._buffer[1:end], self._buffer[end + 2 :]
        names = listed.split(b"\0") if listed else []
        if len(names) > artifact_sources.MOST_NAMES:
            raise too_many_names()
        return [os.fsdecode(name) for name in names]

    def take(self, most: int) -> bytes:
        """Return up to so many bytes, at least one."""
        if not self._buffer:
            self._more()
        piece, self._buffer = self._buffer[:most], self._buffer[most:]
        return piece

    def _more(self) -> None:
        silent_until = time.monotonic() + SILENT_SECONDS
        while not select.select([self._child.stdout], [], [], _LOOK_SECONDS)[0]:
            if self._is_cut():
                raise NotTaken("it was cancelled")
            if time.monotonic() > min(silent_until, self._until):
                raise NotTaken(_TOO_SLOW)
        if time.monotonic() > self._until:
            raise NotTaken(_TOO_SLOW)
        piece = os.read(self._child.stdout, _PIECE_BYTES)
        if not piece:
            raise NotTaken("the target sends no more")
        self._buffer += piece


def _depth_of(patterns: Sequence[str]) -> int:
    """Return how many parts the longest name has that patterns may mean."""
    if any("**" in pattern for pattern in patterns):
        return artifact_sources.MOST_DEPTH
    return max(pattern.count("/") + 1 for pattern in patterns)


def _is_wild(segment: str) -> bool:
    return any(character in segment for character in "*?[")


def _meant(listed: Iterable[Iterable[str]], patterns: Sequence[str], depth: int) -> list[str]:
    """Return what patterns mean of the folders and of all else that a target lists, the first ones.

    A folder is meant only where nothing below it is.
    """
    folders, others = (_walked(_paths(names, depth), patterns) for names in listed)
    meant = itertools.chain(
        (path for path, walk in folders if walk.is_complete and not walk.goes_on),
        (path for path, walk in others if walk.is_complete),
    )
    return ["/".join(path) for path in sorted(set(heapq.nsmallest(MAX_ARTIFACTS + 1, meant)))]


def _paths(names: Iterable[str], depth: int) -> Iterator[tuple[str, ...]]:
    """Yield names as their parts, without what nobody asked for: the workspace, ways out of it.

    Each once, and one after the other those that begin in the same way.
    """
    for name in sorted(set(names)):
        if name.count("/") > depth:  # the leading dot is no part
            continue
        path = tuple(name.removeprefix("./").split("/"))
        if not set(path) & {"", ".", ".."}:
            yield path


def _walked(
    paths: Iterable[tuple[str, ...]], patterns: Sequence[str]
) -> Iterator[tuple[tuple[str, ...], PatternWalk]]:
    """Yield each path with how far patterns lead there.

    Only the way to the last one is kept: a target may name millions of folders.
    """
    walks = [PatternWalk.begin(patterns)]
    before: tuple[str, ...] = ()
    for path in paths:
        alike = [one == other for one, other in zip(before, path, strict=False)]
        shared = [*alike, False].index(False)
        del walks[shared + 1 :]
        for name in path[shared:]:
            walks.append(walks[-1].enter(name))
        before = path
        yield path, walks[-1]
