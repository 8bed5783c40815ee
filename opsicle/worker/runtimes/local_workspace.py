"""What is the same for all runtimes whose phases work in the workspace on this machine."""

from __future__ import annotations

from opsicle.worker.command_markers import ShellStreams
from opsicle.worker.pausing import FolderElsewhere
from opsicle.worker.stdio_pipes import NamedPipes


class InLocalWorkspace:
    """The part of a `JobRuntime` that has to do with where its files lie."""

    def shell_streams(self, _phase: int, pipes: NamedPipes) -> ShellStreams | None:
        """Make the pipes, which are seen where they are; None where the disk has no room."""
        try:
            return pipes.make()
        except OSError:
            return None

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
