"""How long the program takes to start, and how much it takes while it has nothing to do."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from bench import floors
from bench.figures import Figure, cpu_seconds, resident_mib
from bench.systems import System
from tests.product import Server, program

STARTS = 20
READY_STARTS = 9
IDLE_SECONDS = 60.0


def start_up(folder: Path) -> list[Figure]:
    """Measure `--version` of the warm built file, and a server from its start to its ready line."""
    commands = [sys.executable, "-c", "import click"], [*program(), "--version"]
    pairs = [tuple(_run_seconds(command) for command in commands) for _ in range(STARTS)]
    click, version = (floors.median_ms([pair[n] for pair in pairs]) for n in (0, 1))

    server = Server(folder)
    ready = floors.median_ms([_ready_seconds(server) for _ in range(READY_STARTS)]) / 1000

    return [
        Figure(
            "`opsicle --version`", version, 2 * click, "ms", f"2 × `import click` ({click:.0f} ms)"
        ),
        Figure("server to ready", ready, 0.5, "s", "0.5 s"),
    ]


def idle(system: System) -> list[Figure]:
    """Measure resident memory and processor time of a pair that has nothing to do."""
    before = cpu_seconds(*system.pids)
    time.sleep(IDLE_SECONDS)
    share = (cpu_seconds(*system.pids) - before) / IDLE_SECONDS * 100
    return [
        Figure("server, idle", resident_mib(system.server_pid), 55, "MiB", "resident"),
        Figure("worker, idle", resident_mib(system.worker_pid), 35, "MiB", "resident"),
        Figure("idle pair", share, 0.2, "%", f"of a core, over {IDLE_SECONDS:.0f} s"),
    ]


def _ready_seconds(server: Server) -> float:
    """Return the seconds from the start of a server to its ready line.

    All starts but the first are on a data folder that it knows.
    """
    began = time.perf_counter()
    server.start()
    seconds = time.perf_counter() - began
    server.process.stop()
    return seconds


def _run_seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began
