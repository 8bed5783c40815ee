"""Runs the tests.

Those of the built file build it, where it is not up to date, beside the others.
"""

import os
import subprocess
from collections.abc import Sequence

from building import debian
from building.environments import development_environment
from building.project import ROOT

MOST_PROCESSES = 16
"""Each has a few hundred megabytes, with the servers and browsers that it starts."""

SHARED_OUT = ("--dist", "loadfile", "--no-loadscope-reorder")
"""How processes share the tests; `tests/conftest.py` says their order and what stays together."""


def run_all(arguments: Sequence[str]) -> int:
    """Run the tests and return pytest's exit code.

    The arguments go to pytest, and win over what is set here.

    Several processes share the tests, each taking a file (or a folder that shares a server) at a
    time.
    """
    python = str(development_environment())
    debian.install_missing()
    command = [python, "-m", "pytest", "-n", str(processes()), *SHARED_OUT, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment(), check=False).returncode


def processes() -> int:
    """Return how many processes run tests: more than cores, for most tests mostly wait."""
    cores = len(os.sched_getaffinity(0))
    return min(2 * cores + 1, MOST_PROCESSES)


def environment() -> dict[str, str]:
    """Return the environment of the tests: ours, except that compiled modules are kept.

    Every process of the tests and many that they start would otherwise compile the same sources.
    """
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
