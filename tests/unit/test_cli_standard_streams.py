"""Commands that are started without standard output, error or input, as by schedulers."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.product import CHECKOUT, clean_environment

HELLO = str(CHECKOUT / "examples" / "hello.yaml")
PRINTS = (
    "--version",
    "--help",
    "run --help",
    f"templates validate {HELLO}",
    f"-o json templates validate {HELLO}",
)
"""Commands with something to say."""


def run_without(redirections: str, command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program = shlex.join([sys.executable, str(CHECKOUT / "opsicle.py")])
    return subprocess.run(
        ["/bin/sh", "-c", f"exec {program} {command} {redirections}"],
        capture_output=True,
        text=True,
        env=clean_environment({"OPSICLE_CONFIG_DIR": str(folder)}),
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", [*PRINTS, f"run {HELLO} --var name=Ada"])
def test_what_nobody_can_read_is_no_success(command: str, tmp_path: Path) -> None:
    done = run_without(">&-", command, tmp_path)

    assert done.returncode == 1
    assert "standard output is closed" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    assert not (tmp_path / "last-error.txt").exists()


@pytest.mark.parametrize("command", PRINTS)
def test_without_any_stream_only_the_exit_code_speaks(command: str, tmp_path: Path) -> None:
    done = run_without("<&- >&- 2>&-", command, tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert not (tmp_path / "last-error.txt").exists()


@pytest.mark.parametrize("redirections", [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_command_with_nothing_to_print_keeps_its_own_exit_code(
    redirections: str, tmp_path: Path
) -> None:
    assert run_without(redirections, "whoami", tmp_path).returncode == 3


def test_without_standard_error_results_still_arrive(tmp_path: Path) -> None:
    done = run_without("2>&-", f"templates validate {HELLO}", tmp_path)

    assert (done.returncode, done.stdout.count("is valid")) == (0, 1)
