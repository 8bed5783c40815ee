"""The command line answers at once: what is in the file must not make it slow to start."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.packaging

STARTS = 10
MOST = 2.5
"""Times what Python needs to start and import click, which no command line made with click can do
without."""


def test_a_warm_start_takes_little_more_than_importing_click(
    built: Path, environment: dict[str, str]
) -> None:
    version = [sys.executable, str(built), "--version"]
    subprocess.run(version, env=environment, check=True, stdout=subprocess.DEVNULL)

    # Turn and turn about, and the best of each: a busy machine slows some starts down, it speeds
    # none up.
    pairs = [
        (
            cpu_seconds(version, environment),
            cpu_seconds([sys.executable, "-c", "import click"], environment),
        )
        for _ in range(STARTS)
    ]
    ours, floor = (min(times) for times in zip(*pairs, strict=True))

    assert ours <= MOST * floor, f"{ours * 1000:.0f} ms against {floor * 1000:.0f} ms"


def cpu_seconds(command: list[str], environment: dict[str, str]) -> float:
    """Return the processor time of one run, on which the machine's other work tells less."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
