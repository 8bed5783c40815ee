"""What is the same for all runtimes whose phases run in a cluster, followed from this machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from opsicle.wire.jobs import Work
from opsicle.worker.cluster_stop import ClusterStop, StopScripts
from opsicle.worker.process import Child
from opsicle.worker.runtimes.local_workspace import InLocalWorkspace
from opsicle.worker.workspace import remove_folder


class ClusterJob(InLocalWorkspace):
    """The part of a `JobRuntime` that is alike whatever the cluster is.

    Each try ends with the phase's shell, and all that it has started with that: there are no
    daemons. Limits are the cluster's.
    """

    def __init__(self, work: Work, folder: Path) -> None:
        self._work = work
        self._folder = folder
        self._private: dict[str, Path] = {}
        self._tries = 0
        self._child: Child | None = None
        self._is_running = False
        self._problem = ""

    def _take_private(self, private: Mapping[str, str]) -> dict[str, str]:
        """Keep the private files of a try by the names that they have in the cluster.

        Return these names by variable. There is no pipe for values to be masked.
        """
        named = {name: Path(path) for name, path in private.items() if name != "OPSICLE_MASK"}
        self._private = {self._name_of(path): path for path in named.values()}
        return {name: self._name_of(path) for name, path in named.items()}

    def _name_of(self, path: Path) -> str:
        return path.name.removeprefix(f"{self._work.job_id}.")

    def limits_text(self, _phase: int) -> str:
        """Return nothing: they are the cluster's."""
        return ""

    def exceeded_limit(self, _phase: int, _exit_code: int) -> str:
        """Return what the cluster has ended the last try for."""
        return self._problem

    def has_processes(self) -> bool:
        """Return whether the cluster may still have the last try."""
        return self._is_running

    def _begin_stop(self, scripts: StopScripts, name: str, grace_seconds: float) -> ClusterStop:
        child = self._child if self._child and self._child.exit_status is None else None
        return ClusterStop(scripts, name, child, time.monotonic(), grace_seconds)

    def close(self) -> str:
        """Remove what the tries were made of and followed by."""
        return remove_folder(self._folder)


def end_unfollowed(scripts: StopScripts, name: str, grace_seconds: float) -> int:
    """End what a cluster has of a job that nothing follows here; return 1 if it stays, else 0.

    Raises OSError where the cluster cannot be asked at all.
    """
    stop = ClusterStop(scripts, name, None, time.monotonic(), grace_seconds)
    while (look_at := stop.turn(time.monotonic())) is not None:
        time.sleep(max(0.0, look_at - time.monotonic()))
    return stop.survivors
