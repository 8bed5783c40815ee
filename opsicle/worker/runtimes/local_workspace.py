"""What is the same for all runtimes whose phases work in the workspace on this machine."""

from __future__ import annotations

from pathlib import Path, PurePath

from opsicle.worker.pausing import FolderElsewhere


class InLocalWorkspace:
    """The part of a `JobRuntime` that has to do with where its files lie."""

    def markers_path(self, _phase: int, path: Path) -> PurePath | None:
        """Return the pipe, which is seen where it is."""
        return path

    def fetch_result(self, _phase: int, _exit_code: int) -> str:
        """Return "": what a phase leaves is here, and the kernel says how it ended."""
        return ""

    def left_files(self, _phase: int) -> None:
        """Return None: they are in the workspace."""

    def leave(self) -> None:
        """Return None: the workspace stays where it is."""

    def come_back(self, _folder: FolderElsewhere) -> None:
        """Do nothing: no job has ever left another folder."""

    def close(self) -> str:
        """Do nothing: each phase is all that there is of the job."""
        return ""
