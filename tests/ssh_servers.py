"""A real sshd on loopback, run by the test as its own user, and targets that name it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from opsicle.wire.jobs import TargetAccess
from tests.support import free_port, require, wait_until

SSHD = "/usr/sbin/sshd"

_CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
SetEnv HOME={folder}
{more}
"""
"""With a home of its own, as a login shell may read a file there that takes more than all the rest.
"""


class SshServer:
    """An sshd that lets in whoever has `key`."""

    def __init__(self, folder: Path, more: str = "") -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self.key = self.make_key("key").read_text()
        self.host_key = self._public(self.make_key("host_key"))
        shutil.copy(folder / "key.pub", folder / "authorized_keys")
        self.port = free_port()
        config = _CONFIG.format(port=self.port, folder=folder, more=more)
        (folder / "sshd_config").write_text(config)
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        """Start it, and wait until it listens. Fail at once if it ends first."""
        if os.geteuid() == 0:  # of its own children that are not let in yet
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        command = [SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")]
        with (self.folder / "sshd.log").open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, start_new_session=True)
        wait_until(self._listens, 60, "an sshd that listens")
        return self.process

    def target(self, **changes: Any) -> TargetAccess:
        facts = {
            "name": "web1",
            "host": "127.0.0.1",
            "port": self.port,
            "user": self.user,
            "host_keys": (self.host_key,),
            "key": self.key,
        }
        return TargetAccess(**(facts | changes))

    def kill_sessions(self) -> None:
        """Cut every connection that is open, as if the way to the host were gone."""
        for child in children(self.process.pid):
            with suppress(OSError):
                if Path(f"/proc/{child}/comm").read_text().startswith("sshd"):
                    os.kill(child, signal.SIGKILL)

    def close(self) -> None:
        self.kill_sessions()
        self.process.kill()
        self.process.wait()

    def _listens(self) -> bool:
        assert self.process.poll() is None, (self.folder / "sshd.log").read_text()
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def make_key(self, name: str) -> Path:
        path = self.folder / name
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
        subprocess.run(command, check=True)
        return path

    @staticmethod
    def _public(path: Path) -> str:
        return " ".join(Path(f"{path}.pub").read_text().split()[:2])


@contextmanager
def ssh_server(folder: Path, more: str = "") -> Iterator[SshServer]:
    require(Path(SSHD).exists(), "a real sshd: apt-get install openssh-server")
    server = SshServer(folder, more)
    try:
        yield server
    finally:
        server.close()


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, and theirs."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *children(child)]
    return found
