"""The script that is a container's first process: it sets the environment and runs the phase.

It comes as a file, out of the worker's private folder in memory, so that no value stands in any
argument, nor in what an engine writes down of its containers. It needs a `/bin/sh` in the image.

The phase's shell is a child of it and not the first process itself, which Linux spares signals that
it does not handle. All the rest ends with it: the kernel kills what is left in a container whose
first process ends. While the job is being stopped (TERM) it waits for the others, which have their
grace then; the engine is told to send them TERM by `TERM_ALL`.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath

from opsicle.domain.templates import ResourceLimits
from opsicle.worker.process_limits import SHELLS_OWN, process_limits

TERM_ALL = ("/bin/sh", "-c", "kill -TERM 1; kill -TERM -1")
"""Sends TERM to all in a container but itself, and first of all to its first process.

The engine hands that one its own TERM at a time of its choosing: a phase's shell that ended before
would take the container with it, and whatever else still had its grace.
"""

TERMINATED = frozenset({0, 137, 143})
"""What `TERM_ALL` exits with: as it should, or along with the container that it has ended."""

_ENGINES_OWN = "container TERM HOSTNAME"
"""Variables that engines add by themselves."""


_NEEDS_NICE = b"""\
command -v nice >/dev/null || {
    echo "opsicle: the image has no program nice, by which limits.nice is kept" >&2
    exit 127
}"""


def first_script(
    environment: Mapping[str, str],
    arguments: Sequence[bytes],
    limits: ResourceLimits,
    streams: tuple[PurePath, PurePath] | None = None,
) -> bytes:
    """Return the script. Raises ValueError for a NUL byte, which no variable can hold.

    The phase prints to `streams`, two named pipes, if not to the engine.

    It sets the limits of single processes itself, as podman forgets those of its own configuration
    where an engine's `--ulimit` is given.
    """
    lines = [b"trap opsicle_stopping=1 TERM", f"unset {_ENGINES_OWN} {SHELLS_OWN}".encode()]
    lines += [line.encode() for line in process_limits(limits)]
    lines += export_lines(environment)

    command = b" ".join(quoted(argument) for argument in arguments)
    if limits.nice is not None:
        lines.append(_NEEDS_NICE)
        command = b"nice -n %d " % limits.nice + command
    command += b" </dev/null"
    if streams:
        command += b" >%b 2>%b" % tuple(quoted(os.fsencode(path)) for path in streams)
    lines += [
        command,
        b"opsicle_code=$?",
        b'[ -z "$opsicle_stopping" ] || while kill -0 -1 2>/dev/null; do sleep 1; done',
        b"exit $opsicle_code",
    ]

    script = b"\n".join(lines) + b"\n"
    if b"\0" in script:
        raise ValueError("embedded null byte")
    return script


_ANY = ("utf-8", "surrogateescape")


def export_lines(environment: Mapping[str, str]) -> Iterator[bytes]:
    """Yield the lines of a script that set variables."""
    for name, value in environment.items():
        yield b"export " + name.encode() + b"=" + quoted(value.encode(*_ANY))


def quoted(value: bytes) -> bytes:
    """Quote for a shell, whatever the bytes are."""
    return shlex.quote(value.decode(*_ANY)).encode(*_ANY)
