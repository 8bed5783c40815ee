"""Runs the tests against an up-to-date built file."""

import os
import subprocess
from collections.abc import Sequence

from building import debian, zipapp
from building.environments import development_environment
from building.project import ROOT, say

NO_TESTS = 5
"""pytest's exit code when it selected nothing."""


def run_all(arguments: Sequence[str]) -> int:
    """Run the tests and return pytest's exit code; the arguments go to pytest.

    Tests marked `alone` (they measure time, or need the machine's global state) run one after
    another first. All others then share the cores, and pytest's summary of them comes last. Who
    selects by mark (`-m`) gets just these, one after another.
    """
    python = str(development_environment())
    debian.install_missing()
    zipapp.build(zipapp.host_platform(), anew=False)
    if "-m" in arguments:
        return _pytest(python, *arguments)
    say("tests that need the machine for themselves")
    alone = _pytest(python, "-m", "alone", *arguments)
    say("all other tests")
    workers = str(os.cpu_count() or 1)
    others = _pytest(python, "-n", workers, "--dist", "loadfile", "-m", "not alone", *arguments)
    return _worst(alone, others)


def _pytest(python: str, *arguments: str) -> int:
    return subprocess.run([python, "-m", "pytest", *arguments], cwd=ROOT, check=False).returncode


def _worst(*codes: int) -> int:
    """The first failure, or success if any part ran tests."""
    failures = [code for code in codes if code not in {0, NO_TESTS}]
    if failures:
        return failures[0]
    return 0 if 0 in codes else NO_TESTS
