"""The runtimes that this program has; a worker announces those that are available where it runs."""

from __future__ import annotations

from opsicle.worker.runtimes.protocol import Runtime
from opsicle.worker.runtimes.subprocess import SubprocessRuntime


def known_runtimes() -> tuple[Runtime, ...]:
    """Return every runtime there is; of several of one kind, the one to prefer comes first."""
    return (SubprocessRuntime(),)
