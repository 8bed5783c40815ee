"""Core files: there are none of a process that holds keys and secrets, however it dies."""

from __future__ import annotations

import resource


def leave_none() -> None:
    """Let a crash write nothing of this process's memory to the disk.

    Of its children neither, unless they ask.

    Programs to which the system pipes core files, such as systemd-coredump, are told of the limit
    and heed it.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
