"""The manual page that `opsicle man` prints."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from opsicle.cli import reference
from opsicle.cli.invocation import Invocation
from opsicle.cli.root import root
from tests.support import require

WITHOUT_DATE = "WARNING: missing date"
"""A date would make the page another one with each build of the same commit."""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with what the command prints."""
    done = CliRunner().invoke(root, ["man"], obj=Invocation())
    assert done.exit_code == 0, done.output
    path = tmp_path_factory.mktemp("man") / "opsicle.1"
    path.write_text(done.output)
    return path


def test_mandoc_finds_nothing_wrong_with_the_manual_page(page: Path) -> None:
    require(shutil.which("mandoc") is not None, "mandoc: apt-get install mandoc")

    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True, check=False
    )

    warnings = [line for line in done.stdout.splitlines() if WITHOUT_DATE not in line]
    assert warnings == []


def test_man_shows_every_command_with_its_options_and_example(page: Path) -> None:
    require(shutil.which("man") is not None, "man: apt-get install man-db")

    done = subprocess.run(
        ["man", "--warnings", "--encoding=UTF-8", "--local-file", page],
        env={"PATH": "/usr/bin:/bin", "MANWIDTH": "1000", "LC_ALL": "C.UTF-8"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    shown = {" ".join(line.split()) for line in done.stdout.splitlines()}
    commands = [line for line in reference.render().splitlines() if line.startswith("## `")]
    assert {line.removeprefix("## ").strip("`") for line in commands} <= shown
    assert {"--ttl SECONDS", "130 interrupted by Ctrl-C"} <= shown
    assert "opsicle run restart-web --var service=nginx --follow" in shown
    assert "`" not in done.stdout
