"""The demo's server and worker.

Real processes of this program in a folder of their own, none of which outlives it.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from opsicle.domain.errors import Internal
from opsicle.kit import files
from opsicle.kit.clock import SystemClock
from opsicle.kit.ids import new_id
from opsicle.kit.resources import program
from opsicle.worker.process import Child, spawn
from opsicle.worker.process_tree import JobTree, kill_orphans
from opsicle.worker.workspace import remove_folder

START_SECONDS = 20
_SERVER = "server"
_GRACE_SECONDS = 3
_LAST_LINES = 20


class DemoServer(NamedTuple):
    """Where the demo's server listens, and what sets it up."""

    url: str
    setup_token: str


class _ServerFile(msgspec.Struct):
    url: str


class DemoProcesses:
    """Run processes, and end them with all that they started, and their folder, on leaving."""

    folder: Path
    """Made on entering."""

    def __init__(self) -> None:
        self._id = new_id(SystemClock().now())
        self._tag = JobTree(self._id).tag
        self._children: dict[str, Child] = {}
        self._is_interrupted = False

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="opsicle-demo-"))
        return self

    def __exit__(self, *_: object) -> None:
        # From here on neither Ctrl-C nor a closed terminal may keep us from cleaning up.
        ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, signal.SIG_IGN) for number in ending}
        try:
            kill_orphans(self._id, grace_seconds=_GRACE_SECONDS)
            for child in self._children.values():
                child.wait()
            remove_folder(self.folder)  # not through what a job may have left mounted
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @property
    def config_folder(self) -> Path:
        """Where the command line finds the admin's session."""
        return self.folder / "config"

    def interrupt(self, *_: object) -> None:
        """Have `check` raise from now on, and kill the server, so that nobody waits for it longer.

        A handler of signals. It raises nothing itself: in a destructor or a callback Python drops
        exceptions, and the signal would be lost.
        """
        self._is_interrupted = True
        if server := self._children.get(_SERVER):
            server.send(signal.SIGKILL)

    def start_server(self, port: int) -> DemoServer:
        """Start the server and wait until it serves.

        Raises Internal, its last words included, if it does not.
        """
        data = self.folder / _SERVER
        arguments = [
            "--data-dir",
            str(data),
            "--listen",
            f"127.0.0.1:{port}",
            "--worker-listen",
            "127.0.0.1:0",
        ]
        self._start(_SERVER, [*arguments, "--plain-http"])

        deadline = time.monotonic() + START_SECONDS
        while not (data / "server.json").exists():
            self.check()
            if time.monotonic() > deadline:
                raise Internal(f"the demo's server did not start within {START_SECONDS} s")
            time.sleep(0.02)

        url = msgspec.json.decode((data / "server.json").read_bytes(), type=_ServerFile).url
        return DemoServer(url, (data / "setup-token").read_text(encoding="ascii").strip())

    def start_worker(self, join_token: str) -> None:
        """Start a worker; it takes jobs as soon as it has enrolled."""
        # In a file, as every user of the machine could read an argument.
        token_file = self.folder / "join-token"
        files.replace(token_file, join_token.encode("ascii"))

        arguments = [
            "--data-dir",
            str(self.folder / "worker"),
            "--join-file",
            str(token_file),
            "--name",
            "demo-worker",
        ]
        self._start("worker", [*arguments, "--slots", "4"])

    def wait(self) -> None:
        """Wait until one of the processes has ended, and raise as `check` does."""
        select.select([child.pidfd for child in self._children.values()], [], [])
        self.check()

    def check(self) -> None:
        """Raise KeyboardInterrupt once interrupted.

        Raises Internal, its last words included, if one of the processes has ended by itself.
        """
        if self._is_interrupted:
            raise KeyboardInterrupt

        for name, child in self._children.items():
            if child.has_ended():
                lines = (
                    self._log(name)
                    .read_text(encoding="utf-8", errors="replace")
                    .splitlines()[-_LAST_LINES:]
                )
                raise Internal(
                    f"the demo's {name} has ended: " + (" | ".join(lines) or "it said nothing")
                )

    def _start(self, name: str, arguments: list[str]) -> None:
        command = [os.fsencode(word) for word in (*program(), name, *arguments)]
        child = spawn(command, self._environment(), self.folder, self._tag)
        self._children[name] = child
        for pipe in (child.stdout, child.stderr):
            os.set_blocking(pipe, True)
            threading.Thread(
                target=_keep, args=(pipe, self._log(name)), daemon=True, name=f"{name} output"
            ).start()

    def _environment(self) -> dict[bytes, bytes]:
        """Return our environment without the settings of Opsicle, which are for another server."""
        return {key: value for key, value in os.environb.items() if not key.startswith(b"OPSICLE_")}

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


def _keep(pipe: int, log: Path) -> None:
    with os.fdopen(pipe, "rb", buffering=0) as source, log.open("ab", buffering=0) as target:
        shutil.copyfileobj(source, target)
