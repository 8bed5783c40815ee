"""What the machine itself takes, measured in the same run: the figure that ours stands beside."""

from __future__ import annotations

import os
import statistics
import subprocess
import threading
import time
from pathlib import Path


def median_ms(durations: list[float]) -> float:
    """The median of durations in seconds, in milliseconds."""
    return statistics.median(durations) * 1000


def p95_ms(durations: list[float]) -> float:
    """The 95th percentile of durations in seconds, in milliseconds."""
    return statistics.quantiles(durations, n=20)[-1] * 1000


def bare_date(count: int = 200) -> list[float]:
    """Seconds that `sh -c date` takes, fork to exit."""
    return [
        _timed(lambda: subprocess.run(["/bin/sh", "-c", "date"], stdout=subprocess.DEVNULL, check=True))
        for _ in range(count)
    ]


def forks_per_second(threads: int = 4, count: int = 500) -> float:
    """How many times a second `threads` threads fork, exec `/bin/true` and wait."""

    def work() -> None:
        for _ in range(count // threads):
            subprocess.run(["/bin/true"], check=True)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return count / (time.perf_counter() - began)


def pipe_seconds(command: str) -> tuple[float, int]:
    """Seconds to read all that a shell command prints through a pipe, and how many bytes that is."""
    began = time.perf_counter()
    with subprocess.Popen(["/bin/sh", "-c", command], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        size = 0
        while data := os.read(process.stdout.fileno(), 1 << 16):
            size += len(data)
    return time.perf_counter() - began, size


def sync_ms(folder: Path, count: int = 100) -> float:
    """Median milliseconds to append 4 KiB to a file and make it durable."""
    path = folder / "floor"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    try:
        return median_ms(
            [_timed(lambda: (os.write(descriptor, b"x" * 4096), os.fdatasync(descriptor))) for _ in range(count)]
        )
    finally:
        os.close(descriptor)
        path.unlink()


def _timed(work: object) -> float:
    began = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - began
