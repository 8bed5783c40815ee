"""A job's workspace on its target: reached by one connection after another, and lost with one."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from opsicle.domain.templates import When
from opsicle.wire.jobs import TargetAccess, Work
from opsicle.worker.pausing import FolderElsewhere
from opsicle.worker.runtimes.protocol import CannotStart
from opsicle.worker.ssh_connection import (
    SSH_FAILED,
    FolderGone,
    SshConnection,
    SshFiles,
    left_text,
)
from opsicle.worker.ssh_scripts import RemoteFolder

_BEFORE = -1
"""Stands for the phases that an earlier run of the job has started."""


class RemoteWorkspace:
    """Connects to a job's folder on its target, and knows whether that is still the same one.

    `connection` is the one that is open, `used` that of the try that was started last. `has_files`:
    the files that the job is given are in the folder. Belongs to the job's thread.
    """

    def __init__(self, work: Work, target: TargetAccess, files: SshFiles, program: str) -> None:
        self.connection: SshConnection | None = None
        self.used: SshConnection | None = None
        self.has_files = False
        self._work = work
        self._target = target
        self._files = files
        self._program = program
        self._started: set[int] = set()  # the phases that were
        self._gone = ""  # why the folder is in which they were
        self._waiting: FolderElsewhere | None = None  # to come back to
        self._left_there: list[str] = []

    def connect(self, phase: int, is_cut: Callable[[], bool]) -> SshConnection:
        """Return the open connection; another one where that was lost. Raises CannotStart.

        Blocks as `SshConnection` does. Raises for a phase that needs a folder which is gone.
        """
        if self.connection and not self.connection.is_alive:
            self._gone = self._lost_text()
            self._close_connection()
        if self.connection:
            return self.connection
        try:
            return self._connect(is_cut)
        except FolderGone as gone:
            self._waiting, self._gone = None, str(gone)
            self.require_kept(phase)
            return self._connect(is_cut)

    def require_kept(self, phase: int) -> None:
        """Raise CannotStart where what earlier phases have left is gone.

        The first one finds in a new folder what it found before, and cleaning up is better done
        without than not at all.
        """
        if self._started <= {phase}:
            self._gone = ""
        if self._gone and self._work.phases[phase].when is When.SUCCESS:
            raise CannotStart(self._gone, SSH_FAILED)

    def note_start(self, phase: int, connection: SshConnection) -> None:
        """Note that a try of a phase was started over this connection."""
        self._started.add(phase)
        self.used = connection

    def give_up(self) -> str:
        """Give up the connection of the last try, which was lost; return its reason, "" if none."""
        assert self.used
        self.used.give_up()
        return self.used.reason

    def leave(self) -> FolderElsewhere | None:
        """Let the folder wait on the target. One that was lost is not there to come back to."""
        last = self.connection or self.used
        if self.connection:
            self.connection.leave()
            self.connection = None
        if last:
            self._waiting = FolderElsewhere(
                nonce=last.folder.nonce, has_files=self.has_files, is_gone=bool(self._gone)
            )
            self._started.add(_BEFORE)
        return self._waiting

    def come_back(self, folder: FolderElsewhere) -> None:
        """Go on in a folder that waits on the target."""
        self._waiting = folder
        self._gone = self._lost_text() if folder.is_gone else ""
        self._started.add(_BEFORE)

    def close(self) -> str:
        """End the connection. Return why the folder is left on the target, "" if it is not."""
        try:
            if self._waiting and not self._waiting.is_gone:
                self._connect(lambda: False)
        except FolderGone:
            pass
        except CannotStart as problem:
            self._left_there.append(left_text(self._target, self._folder(), str(problem)))
        self._waiting = None
        self._close_connection()
        return "; ".join(filter(None, self._left_there))

    def _close_connection(self) -> None:
        connection, self.connection = self.connection, None
        if connection:
            self._left_there.append(connection.close())

    def _connect(self, is_cut: Callable[[], bool]) -> SshConnection:
        """Connect, and come back to the folder that waits there, if one does."""
        waiting = self._waiting
        if waiting and waiting.is_gone:
            waiting = self._waiting = None
        try:
            connection = SshConnection(
                self._target,
                self._folder(),
                self._files,
                self._program,
                is_cut,
                comes_back=waiting is not None,
            )
        except OSError as problem:
            raise CannotStart(f"the files for ssh could not be made: {problem.strerror}") from None
        self.has_files = waiting is not None and waiting.has_files
        self.connection, self._waiting = connection, None
        return connection

    def _folder(self) -> RemoteFolder:
        """Return the folder that waits, or a new one."""
        nonce = self._waiting.nonce if self._waiting else secrets.token_hex(16)
        return RemoteFolder(self._work.job_id, nonce)

    def _lost_text(self) -> str:
        return (
            f"the connection to {self._target.name} was lost before it began, "
            "and with it the workspace of the phases before, so nothing was run"
        )
