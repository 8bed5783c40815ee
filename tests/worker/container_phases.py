"""Phases in containers, for tests."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from opsicle.domain.templates import Phase
from opsicle.wire.jobs import Work
from tests.worker.job_runs import phase

IMAGE = "alpine:latest"

OUTLIVES_ITS_SHELL = (
    "(trap 'sleep 1; echo tidied; exit 0' TERM; echo begun; sleep 300 & wait) & wait"
)

_SLOW_PODMAN = """\
#!/bin/sh
# Podman in the moment after a start: it has not noted yet that the container runs, cannot reach
# into it, and its `run` exits at a TERM, leaving the container to itself.
case "$*" in
    exec*) mkdir {folder}/once 2>/dev/null && exit 255 ;;
    "ps --all"*State*) mkdir {folder}/looked 2>/dev/null && echo Initialized && exit 0 ;;
    run*) {podman} "$@" & trap "kill -KILL $!; exit 1" TERM; wait $!; exit ;;
esac
exec {podman} "$@"
"""


def write_slow_podman(path: Path, podman: Path | str) -> None:
    """Write a program that is podman, but in the moment after a start for the first `exec`.

    By then there is a folder `once` beside the program's own.
    """
    path.write_text(_SLOW_PODMAN.format(folder=path.parents[1], podman=podman))
    path.chmod(0o755)


def in_container(*commands: str, **more: Any) -> Phase:
    """Return a phase in a container; generous, as starting one takes a while on a busy machine."""
    more.setdefault("timeout", 120)
    return phase(*commands, **{"image": IMAGE, **more})


def holding(folder: Path, text: bytes) -> list[Path]:
    """Return the files below a folder in which a text stands just now."""
    found = []
    for path in folder.rglob("*"):
        try:
            if path.is_file() and text in path.read_bytes():
                found.append(path)
        except OSError:  # gone meanwhile
            continue
    return found


def arguments_of_all() -> bytes:
    """Return the arguments of every process of this machine."""
    arguments = b""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                arguments += (entry / "cmdline").read_bytes()
    return arguments


def with_image(job: Work, image: str = IMAGE, **more: Any) -> Work:
    """Return the same job, with its phase in an image."""
    container_phase = msgspec.structs.replace(job.phases[0], image=image, timeout=120, **more)
    return msgspec.structs.replace(job, phases=(container_phase,))
