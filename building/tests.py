"""Runs the tests.

Those of the built file build it, where it is not up to date, beside the others.
"""

import compileall
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from building import debian, zipapp
from building.environments import build_environment, development_environment
from building.project import ROOT, BuildError

MOST_PROCESSES = 16
"""Each has a few hundred megabytes, with the servers and browsers that it starts."""

SHARED_OUT = ("--dist", "loadfile", "--no-loadscope-reorder")
"""How processes share the tests; `tests/conftest.py` says their order and what stays together."""


BESIDE = "from building import tests; tests.prepare()"


def run_all(arguments: Sequence[str]) -> int:
    """Run the tests and return pytest's exit code.

    The arguments go to pytest, and win over what is set here.

    Several processes share the tests, each taking a file (or a folder that shares a server) at a
    time.
    """
    with _preparing(is_wanted=_is_all(arguments)):
        python = str(development_environment())
        debian.install_missing()
        command = [python, "-m", "pytest", "-n", str(processes()), *SHARED_OUT, *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment(), check=False).returncode


def _is_all(arguments: Sequence[str]) -> bool:
    """Return whether these arguments for pytest are options alone, so that all tests are run."""
    return all(each.startswith("-") for each in arguments)


@contextmanager
def _preparing(*, is_wanted: bool) -> Iterator[None]:
    """Prepare in a process of its own what most tests need, where that is wanted.

    To install what tests run on, and to load them, keeps one core busy for half a minute.
    """
    if not is_wanted:
        yield
        return
    with subprocess.Popen([sys.executable, "-c", BESIDE], cwd=ROOT, env=environment()):
        yield


def prepare() -> None:
    """Compile the program, and build the file that tests run.

    Says nothing of a failure: the tests that need the file try again, and say it.
    """
    try:
        compileall.compile_dir(ROOT / "opsicle", quiet=2)
        build_environment()
        zipapp.build(zipapp.host_platform(), anew=False, is_quick=True)
    except (BuildError, KeyboardInterrupt):
        return


def processes() -> int:
    """Return how many processes run tests: more than cores, for most tests mostly wait."""
    cores = len(os.sched_getaffinity(0))
    return min(2 * cores + 1, MOST_PROCESSES)


def environment() -> dict[str, str]:
    """Return the environment of the tests: ours, except that compiled modules are kept.

    Every process of the tests and many that they start would otherwise compile the same sources.
    """
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
