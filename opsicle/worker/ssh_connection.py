"""A job's connection to its target, which all its phases share, by OpenSSH's own program.

Beside its socket stand the key, the host's pinned keys and what is sent: in the worker's private
folder, by relative names, so that neither a long path nor a strange character in one matters.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from opsicle.domain.target_checks import (
    HOST_KEY_DIFFERS,
    KEY_UNREADABLE,
    LOGIN_REFUSED,
    NOT_REACHED,
)
from opsicle.wire.jobs import TargetAccess
from opsicle.worker import process
from opsicle.worker.private_files import PrivateFiles
from opsicle.worker.runtimes.protocol import CannotStart, StartCancelled
from opsicle.worker.ssh_scripts import KEEPER_COMMAND, RemoteFolder

log = logging.getLogger(__name__)

CONNECT_SECONDS = 20
"""How long the host may take to answer at all."""

READY_SECONDS = 60.0
"""How long it may take from the start until the target's shell has answered."""

SECONDS_BEYOND_GRACE = 30.0
"""How long the target may take, after the grace, to end what runs and to remove what is left."""

SSH_FAILED = 255  # what ssh exits with, whatever a remote command may mean by it
NO_JOB = 1
"""The tag of what is found by its environment (see process.py)."""

_KEPT_BYTES = 64 * 1024
"""How much is kept of what the keeper and ssh say, its end."""

_LONGEST_REASON = 200  # characters of ssh's words, in an explanation
_ALIAS = "opsicle-target"
"""By which the pinned keys are looked up, wherever the host is."""

_OPTIONS = {
    "BatchMode": "yes",
    "ClearAllForwardings": "yes",
    "ConnectTimeout": str(CONNECT_SECONDS),
    "ConnectionAttempts": "1",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "GlobalKnownHostsFile": "/dev/null",
    "HostKeyAlias": _ALIAS,
    "IdentitiesOnly": "yes",
    "IdentityAgent": "none",
    "LogLevel": "ERROR",
    "PreferredAuthentications": "publickey",
    "ServerAliveCountMax": "3",
    "ServerAliveInterval": "15",
    "StrictHostKeyChecking": "yes",
    "UpdateHostKeys": "no",
}
"""Beside no configuration file at all, neither the user's nor the system's."""


class FolderGone(CannotStart):
    """The job's folder does not wait on its target any more."""


class SshFiles:
    """What ssh reads and makes for one job, beside its workspace; gone at the end of each try."""

    def __init__(self, private: PrivateFiles, target: TargetAccess) -> None:
        self._private = private
        self._target = target
        self.folder = Path()
        self._stem = ""

    def write(self, name: str, content: bytes) -> str:
        """Write a file for ssh, and return its name. Raises OSError."""
        path = self._private.write(f"ssh-{name}", content, is_ours=True)
        self.folder, self._stem = path.parent, path.name.removesuffix(name)
        return path.name

    def remove(self) -> None:
        """Remove them, and whatever else is private to the try; harmless to repeat."""
        self._private.remove_secrets()

    def path(self, name: str) -> Path:
        """Return where a file is."""
        return self.folder / f"{self._stem}{name}"

    def arguments(self, program: str) -> list[str]:
        """Write key and pinned keys anew; return the command that reaches the target by them."""
        target = self._target
        key = target.key if target.key.endswith("\n") else f"{target.key}\n"
        pinned = "".join(f"{_ALIAS} {' '.join(line.split()[:2])}\n" for line in target.host_keys)
        options = _OPTIONS | {
            "IdentityFile": self.write("key", key.encode()),
            "UserKnownHostsFile": self.write("hosts", pinned.encode()),
            "ControlPath": self.path("control").name,
        }
        return [
            program, "-F", "none", "-T", "-a", "-x",
            *(part for name, value in options.items() for part in ("-o", f"{name}={value}")),
            "-p", str(target.port), "-l", target.user, "--", target.host,
        ]  # fmt: skip


class SshConnection:
    """An open connection, with the keeper at its other end. Belongs to the job's thread."""

    def __init__(
        self,
        target: TargetAccess,
        folder: RemoteFolder,
        files: SshFiles,
        program: str,
        is_cut: Callable[[], bool],
        *,
        comes_back: bool = False,
    ) -> None:
        """Connect. Blocks for `READY_SECONDS` at most, and until `is_cut`.

        `comes_back`: to a folder that waits there. Raises CannotStart; nothing has run then.
        """
        self.folder = folder
        self._target = target
        self._output = b""
        self._errors = b""
        self._silent: set[int] = set()  # of its pipes: those that have ended
        arguments = files.arguments(program)
        self._socket = files.path("control")
        with suppress(OSError):
            self._socket.unlink()  # of one that was killed
        command = [program, "-M", *arguments[1:], KEEPER_COMMAND]
        self._child, self._words = _start(command, files.folder, folder.job_id)
        try:
            self._send(folder.keeper(comes_back=comes_back))
            self._await_ready(is_cut)
        except BaseException:
            self.kill()
            raise

    @property
    def is_alive(self) -> bool:
        """Whether it still is; what it leaves behind is collected here if not."""
        if self._child.exit_status is None and self._child.has_ended():
            self._read()
            self._child.wait()
            self._let_go()
        return self._child.exit_status is None

    @property
    def reason(self) -> str:
        """Why it ended, by the last words of ssh; "" if it had none."""
        return _last_line(self._errors)

    def tell(self, words: str) -> None:
        """Say something to the keeper; nobody hears it where the connection is gone."""
        self._send(f"{words}\n".encode())

    def answers(self) -> Iterator[list[str]]:
        """Yield what the keeper has answered since, each as its words."""
        if self.is_alive:
            self._read()
        *lines, self._output = self._output.split(b"\n")
        for line in lines:
            words = line.decode(errors="replace").split()
            if words[:1] == [self.folder.nonce]:
                yield words[1:]

    def leave(self) -> None:
        """End it, and let the job's folder wait there, if that is heard."""
        self._end("leave")

    def close(self) -> str:
        """End it, and return why the job's folder is left there; "" if it was removed."""
        answers = self._end("end")
        if ["removed"] in answers:
            return ""
        why = "the connection was lost"
        if ["stuck"] in answers:
            why = "something in it cannot be removed"
        if ["kept"] in answers:
            why = "a file system is mounted in it"
        return left_text(self._target, self.folder, why)

    def _end(self, word: str) -> list[list[str]]:
        """Say a last word to the keeper, and return what it answers."""
        self.tell(word)
        with suppress(OSError):
            os.close(self._words)
        self._words = -1

        answers: list[list[str]] = []
        deadline = time.monotonic() + SECONDS_BEYOND_GRACE
        while self.is_alive and time.monotonic() < deadline:
            self._await_words(0.2)
            answers += self.answers()
        answers += self.answers()
        self.kill()
        return answers

    def give_up(self) -> None:
        """End one that does not work any more, once it had a moment to say why."""
        select.select([self._child.pidfd] if self.is_alive else [], [], [], 1.0)
        if self.is_alive:
            self.kill()

    def kill(self) -> None:
        """End it at once; the keeper ends what runs there when it sees that nobody is left."""
        if self._child.exit_status is None:
            self._child.send(signal.SIGKILL)
            self._read()
            self._child.wait()
            self._let_go()
        with suppress(OSError):
            self._socket.unlink()

    def _send(self, content: bytes) -> None:
        with suppress(OSError):
            os.write(self._words, content)

    def _await_ready(self, is_cut: Callable[[], bool]) -> None:
        """Wait for the keeper's first word. Raises CannotStart that says what kept it."""
        deadline = time.monotonic() + READY_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            self._await_words(min(left, 0.2))
            answers = list(self.answers())
            if ["ready"] in answers:
                return
            if ["gone"] in answers:
                raise FolderGone(
                    f"the workspace of this job, which waited on {self._target.name}, is gone, "
                    "so nothing was run",
                    SSH_FAILED,
                )
            if is_cut():
                raise StartCancelled
            if not self.is_alive:
                raise CannotStart(
                    _explain(self._target, self._errors, self._child.exit_status), SSH_FAILED
                )
        raise CannotStart(
            f"{_where(self._target)} let us in, or began to, "
            f"but its shell has not answered within {READY_SECONDS:g} s",
            SSH_FAILED,
        )

    def _await_words(self, seconds: float) -> None:
        """Wait until it says something, or ends; one that has closed a pipe may live on."""
        pipes = {self._child.stdout, self._child.stderr} - self._silent
        select.select([self._child.pidfd, *pipes], [], [], seconds)

    def _read(self) -> None:
        self._output = (self._output + self._take(self._child.stdout))[-_KEPT_BYTES:]
        self._errors = (self._errors + self._take(self._child.stderr))[-_KEPT_BYTES:]

    def _take(self, pipe: int) -> bytes:
        content = b""
        with suppress(BlockingIOError):
            while len(content) < _KEPT_BYTES:
                if not (piece := os.read(pipe, _KEPT_BYTES)):
                    self._silent.add(pipe)
                    break
                content += piece
        return content

    def _let_go(self) -> None:
        os.close(self._child.stdout)
        os.close(self._child.stderr)
        if self._words >= 0:
            os.close(self._words)
        self._words = -1


def left_text(target: TargetAccess, folder: RemoteFolder, why: str) -> str:
    """Return that a folder may be left on a target."""
    return f"the folder {folder.path} may be left on {target.name}: {why}"


def local_environment(job_id: str) -> dict[bytes, bytes]:
    """Return what the worker's own ssh is started with: nothing but a mark, by which it is found.

    See process_tree.py.
    """
    path = os.environ.get("PATH", os.defpath)
    return {b"PATH": os.fsencode(path), b"LC_ALL": b"C", b"OPSICLE_JOB_ID": job_id.encode()}


def _start(arguments: list[str], folder: Path, job_id: str) -> tuple[process.Child, int]:
    """Start ssh; return it, and the descriptor by which it is told something."""
    stdin, words = os.pipe()
    try:
        argv = [os.fsencode(argument) for argument in arguments]
        child = process.spawn(argv, local_environment(job_id), folder, NO_JOB, stdin=stdin)
    except OSError as problem:
        os.close(words)
        raise CannotStart(f"ssh could not be started: {problem.strerror}") from None
    finally:
        os.close(stdin)
    return child, words


def _where(target: TargetAccess) -> str:
    return f"{target.name} ({target.host}, port {target.port})"


def _explain(target: TargetAccess, errors: bytes, exit_status: int | None) -> str:
    """Return why nobody got to the target, by what ssh says."""
    text, last = errors.decode(errors="replace"), _last_line(errors)
    if exit_status != SSH_FAILED:  # what was said is the target's, whatever words it uses
        return (
            f"{_where(target)} let us in, but its shell ran nothing: "
            f"{last or 'it does not say why'}"
        )
    if "Host key verification failed" in text:
        return (
            f"{_where(target)} {HOST_KEY_DIFFERS}, so nothing was run: "
            "either it was set up anew, or something else answers in its place"
        )
    if "Load key" in text or "invalid format" in text:
        return (
            f"{KEY_UNREADABLE} {_where(target)} cannot be read: "
            "its secret must hold an OpenSSH private key without a passphrase"
        )
    if "Permission denied" in text or "Too many authentication failures" in text:
        return f"{_where(target)} {LOGIN_REFUSED} of {target.user} with the key of its target"
    return f"{_where(target)} {NOT_REACHED}: {last or 'ssh does not say why'}"


def _last_line(errors: bytes) -> str:
    """Return the last line of what may be anybody's words, fit for a line of text."""
    lines = [line.strip() for line in errors.decode(errors="replace").splitlines()]
    last = next((line for line in reversed(lines) if line), "")
    return "".join(c if c.isprintable() else "?" for c in last)[:_LONGEST_REASON]
