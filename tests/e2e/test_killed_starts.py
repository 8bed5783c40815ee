"""A start that is killed at any moment, the very first one too, is followed by one that serves."""

from __future__ import annotations

import signal
import subprocess
from functools import partial
from pathlib import Path

import pytest

from tests.processes import START_SECONDS
from tests.product import clean_environment, program
from tests.support import SCALE, seeded_random, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

KILLS = max(1, round(12 * SCALE))
WATCHED = (
    "marker.json",
    "marker.commits",
    "authority.pem",
    "opsicle.db-wal",
    "orders.pem",
    "binding.key",
    "server.json",
)


def begin(folder: Path, log: Path) -> subprocess.Popen[bytes]:
    arguments = [
        "server",
        "--data-dir",
        str(folder),
        "--listen",
        "127.0.0.1:0",
        "--worker-listen",
        "127.0.0.1:0",
    ]
    with log.open("ab") as file:
        return subprocess.Popen(
            [*program(), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=clean_environment({}),
        )


def changed_at(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def times_ready(log: Path) -> int:
    return log.read_text().count("opsicle server ready") if log.exists() else 0


def has_begun(process: subprocess.Popen[bytes], log: Path, ready: int) -> bool:
    """Return whether the start is over: served more often than `ready` times, or ended."""
    return times_ready(log) > ready or process.poll() is not None


def kill_at_change(watched: Path, folder: Path, log: Path) -> None:
    """Start, and kill as soon as the start has got as far as this file of its folder, or serves."""
    before, ready = changed_at(watched), times_ready(log)

    process = begin(folder, log)
    wait_until(
        lambda: changed_at(watched) != before or has_begun(process, log, ready), START_SECONDS
    )

    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_start_that_was_killed_at_any_moment_is_followed_by_one_that_serves(
    tmp_path: Path,
) -> None:
    rng = seeded_random()
    for number in range(KILLS):
        folder, log = tmp_path / "data", tmp_path / "log"
        if number % 3 == 0 and folder.exists():
            folder = tmp_path / f"data-{number}"  # a first start
        watched = folder / rng.choice(WATCHED)
        kill_at_change(watched, folder, log)

        ready = times_ready(log)
        process = begin(folder, log)
        wait_until(partial(has_begun, process, log, ready), START_SECONDS)
        assert process.poll() is None, f"killed at {watched.name}\n{log.read_text()[-3000:]}"
        process.send_signal(rng.choice([signal.SIGKILL, signal.SIGTERM]))
        process.wait(60)
