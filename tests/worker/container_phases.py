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
