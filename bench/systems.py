"""What is measured: the product as it is shipped, and the bare prototype, behind one face."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.product import CHECKOUT, Installation
from tests.support import wait_until
from tests.thin_api import Access, Api

STAMP = "date +%s%N"
NOTHING = ":"
LINE = b"x" * 99 + b"\n"


def log_command(size: int) -> str:
    """Return a command that prints `size` bytes of lines as fast as a pipe takes them."""
    return f"yes {LINE.decode().strip()} | head -c {size}"


COMMANDS = {
    "stamp": STAMP,
    "nothing": NOTHING,
    "log-20mb": log_command(20_000_000),
    "log-1gb": log_command(1_000_000_000),
}


@dataclass(frozen=True)
class System:
    """One server with one worker. `templates` says what to trigger for each name in `COMMANDS`."""

    name: str
    access: Access
    server_pid: int
    worker_pid: int
    templates: Mapping[str, str]

    @property
    def pids(self) -> tuple[int, int]:
        """Whose processor time and memory count."""
        return self.server_pid, self.worker_pid


def template(name: str, command: str, spec: str = "") -> str:
    """Return a template of one command.

    `spec` is YAML that goes into its spec in flow style, with a comma at its end.
    """
    phase = f"{{name: {name}, timeout: 600, commands: [{json.dumps(command)}]}}"
    return f"""
apiVersion: v1
type: AutomationTemplate
metadata: {{name: {name}}}
spec: {{{spec} template: {{phases: [{phase}]}}}}
"""


@contextmanager
def product(folder: Path, slots: int) -> Iterator[tuple[Installation, System]]:
    """Run the shipped file as a user starts it, with a worker that has so many slots."""
    with Installation(folder) as installation:
        worker = installation.worker("bench", None, "--slots", str(slots))
        for name, command in COMMANDS.items():
            installation.push(template(name, command))
        yield (
            installation,
            System(
                "product",
                installation.access(),
                installation.server.process.pid,
                worker.process.pid,
                {name: name for name in COMMANDS},
            ),
        )


@contextmanager
def prototype(folder: Path, slots: int) -> Iterator[System]:
    """Run the bare server and worker of `bench/prototype`."""
    folder.mkdir(parents=True)
    server = _start("gevent.monkey", "--module", "bench.prototype.server", str(folder))
    worker = None
    try:
        facts = folder / "server.json"
        wait_until(facts.exists, 30, "the prototype's server")
        url = json.loads(facts.read_text())["url"]
        worker = _start("bench.prototype.worker", str(folder), str(slots))

        system = System(
            "prototype",
            Access(url, (folder / "ca.pem").read_text(), ""),
            server.pid,
            worker.pid,
            COMMANDS,
        )
        Api(system.access).run(NOTHING)
        yield system
    finally:
        for process in filter(None, (worker, server)):
            process.kill()
            process.wait()


def _start(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=CHECKOUT)
