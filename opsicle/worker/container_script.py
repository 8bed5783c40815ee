"""The script that is a container's first process: it sets the environment and runs the phase.

It comes as a file, out of the worker's private folder in memory, so that no value stands in any
argument, nor in what an engine writes down of its containers. It needs a `/bin/sh` in the image.

The phase's shell is a child of it and not the first process itself, which Linux spares signals that
it does not handle. All the rest ends with it: the kernel kills what is left in a container whose
first process ends. While the job is being stopped (TERM) it waits for the others, which have their
grace then; the engine is told to send them TERM by `TERM_ALL`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from opsicle.domain.templates import ResourceLimits

TERM_ALL = ("/bin/sh", "-c", "kill -TERM -1")
"""Sends TERM to all in a container but its first process and itself."""

_ENGINES_OWN = "container TERM HOSTNAME"
"""Variables that engines add by themselves."""


_BLOCKS_OF_A_MIB = 2048
"""`ulimit -f` counts in blocks of 512 bytes, by POSIX."""


def first_script(
    environment: Mapping[str, str], arguments: Sequence[bytes], limits: ResourceLimits
) -> bytes:
    """Return the script. Raises ValueError for a NUL byte, which no variable can hold."""
    lines = [b"trap opsicle_stopping=1 TERM", b"unset " + _ENGINES_OWN.encode()]
    lines += [line.encode() for line in _limits(limits)]
    for name, value in environment.items():
        lines.append(b"export " + name.encode() + b"=" + _quoted(value.encode(*_ANY)))

    command = b" ".join(_quoted(argument) for argument in arguments)
    lines += [
        command + b" </dev/null",
        b"opsicle_code=$?",
        b'[ -z "$opsicle_stopping" ] || while kill -0 -1 2>/dev/null; do sleep 1; done',
        b"exit $opsicle_code",
    ]

    script = b"\n".join(lines) + b"\n"
    if b"\0" in script:
        raise ValueError("embedded null byte")
    return script


def _limits(limits: ResourceLimits) -> Iterator[str]:
    """Yield the limits of single processes.

    Not as the engine's `--ulimit`: podman then forgets those that its own configuration has.
    """
    if limits.cpu_seconds is not None:  # SIGXCPU, and KILL for who does not heed it
        yield f"ulimit -St {limits.cpu_seconds} && ulimit -Ht {limits.cpu_seconds + 1} || exit 126"
    if limits.file_mib is not None:
        yield f"ulimit -f {limits.file_mib * _BLOCKS_OF_A_MIB} || exit 126"


_ANY = ("utf-8", "surrogateescape")


def _quoted(value: bytes) -> bytes:
    """Quote for a shell, whatever the bytes are."""
    return shlex.quote(value.decode(*_ANY)).encode(*_ANY)
