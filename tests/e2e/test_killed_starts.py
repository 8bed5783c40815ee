"""A start that is killed at any moment, the very first one too, is followed by one that serves."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import pytest

from tests.processes import START_SECONDS, Process, program
from tests.support import SCALE, seeded_random, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

KILLS = max(1, round(6 * SCALE))
WATCHED = (
    "marker.json",
    "marker.commits",
    "authority.pem",
    "opsicle.db-wal",
    "orders.pem",
    "binding.key",
    "server.json",
)


def begin(folder: Path) -> Process:
    listen = ["--listen", "127.0.0.1:0", "--worker-listen", "127.0.0.1:0"]
    arguments = [*program(), "server", "--data-dir", str(folder), *listen]
    return Process(arguments, folder.parent, "server", is_warm=True)


def changed_at(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def times_ready(folder: Path) -> int:
    output = folder.parent / "server.out"
    return output.read_text().count("opsicle server ready") if output.exists() else 0


def has_begun(process: Process, folder: Path, ready: int) -> bool:
    """Return whether the start is over: served more often than `ready` times, or ended."""
    return times_ready(folder) > ready or process.popen.poll() is not None


def kill_at_change(watched: Path, folder: Path) -> None:
    """Start, and kill as soon as the start has got as far as this file of its folder, or serves."""
    before, ready = changed_at(watched), times_ready(folder)

    process = begin(folder)
    wait_until(
        lambda: changed_at(watched) != before or has_begun(process, folder, ready), START_SECONDS
    )

    process.kill()


def test_a_start_that_was_killed_at_any_moment_is_followed_by_one_that_serves(
    tmp_path: Path,
) -> None:
    rng = seeded_random()
    folder = tmp_path / "data"
    for number in range(KILLS):
        if number % 3 == 0:
            folder = tmp_path / f"{number}/data"  # a first start
        watched = folder / rng.choice(WATCHED)
        kill_at_change(watched, folder)

        ready = times_ready(folder)
        process = begin(folder)
        wait_until(partial(has_begun, process, folder, ready), START_SECONDS)
        assert process.popen.poll() is None, f"killed at {watched.name}\n{process.log()[-3000:]}"
        process.popen.send_signal(rng.choice([signal.SIGKILL, signal.SIGTERM]))
        process.popen.wait(60)
