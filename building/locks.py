"""Writes `requirements/*.txt` from the names in pyproject.toml.

The only way in which a pin changes.
"""

import os
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from building.environments import build_environment
from building.project import OLDEST_PYTHON, REQUIREMENTS, ROOT, BuildError, run, say

HEADER = """\
# Made by `python3 build.py lock` from the names in pyproject.toml. Do not edit.
# Each hash is of a file that the package's authors published; nothing else is ever installed.
"""

ONLY_PUBLISHED = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_FIND_LINKS": "",
    "PIP_EXTRA_INDEX_URL": "",
    "PIP_CONSTRAINT": "",
}
"""A machine's own package folders must not decide what everybody else installs."""


OPTIONS = (
    "--generate-hashes", "--allow-unsafe", "--strip-extras", "--no-header", "--no-annotate",
    "--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host", "--no-emit-options",
)  # fmt: skip


def lock(*, upgrade: bool) -> None:
    """Refresh every lock; pins stay as they are unless a name is new or `upgrade` is set."""
    if sys.version_info[:2] != OLDEST_PYTHON:
        raise BuildError(
            "run this with Python 3.11: the oldest supported Python needs the most packages"
        )

    python = build_environment()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for name, wanted in _wanted(project).items():
        say(f"locking {name}")
        _compile(python, REQUIREMENTS / f"{name}.txt", wanted, upgrade=upgrade)


def _wanted(project: dict[str, Any]) -> dict[str, list[str]]:
    """Return the names that go into each lock."""
    runtime: list[str] = project["project"]["dependencies"]
    groups: dict[str, list[str]] = project["dependency-groups"]
    return {"runtime": runtime, "dev": [*runtime, *groups["dev"]], "build": groups["build"]}


def _compile(python: Path, target: Path, wanted: list[str], *, upgrade: bool) -> None:
    with TemporaryDirectory() as folder:
        names = Path(folder, f"{target.stem}.in")
        names.write_text("\n".join(wanted) + "\n")
        pinned = Path(folder, "pinned.txt")
        if target.exists():
            pinned.write_text(target.read_text())

        options = ["--upgrade"] if upgrade else []
        options += ["--output-file", str(pinned), str(names)]
        compiling = (python, "-P", "-m", "piptools", "compile", "--quiet")
        run([*compiling, *OPTIONS, *options], env=ONLY_PUBLISHED, quiet=True)

        lines = pinned.read_text().splitlines()
        pins = [line for line in lines if line and not line.startswith("#")]
        target.write_text(HEADER + "\n".join(pins) + "\n")
