"""Virtual environments made from a hash-pinned lock, and remade only when the lock changes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from building.project import CACHE, REQUIREMENTS, VENV, BuildError, digest, only_one, run, say

SYSTEM_PYTHON = "/usr/bin/python3"

PIP_QUIETLY = ("--quiet", "--quiet", "--disable-pip-version-check", "--no-input")
"""Errors only: a machine's own pip settings may make pip warn about every package."""


def development_environment() -> Path:
    """Return the Python of `.venv`, which has everything that tests and checks need."""
    return _environment(VENV, REQUIREMENTS / "dev.txt")


def build_environment() -> Path:
    """Return the Python of a private environment with shiv and pip-tools."""
    return _environment(CACHE / "build-env", REQUIREMENTS / "build.txt")


def _environment(folder: Path, lock: Path) -> Path:
    """Bring the environment to what the lock says, in place, and return its Python."""
    python = folder / "bin" / "python"
    stamp = folder / ".lock-digest"
    with only_one(f"environment-{folder.name}"):
        wanted = digest([lock])
        if _works(python) and stamp.is_file() and stamp.read_text() == wanted:
            return python

        say(f"installing {lock.name} into {folder.name}")
        if not _works(python):
            _create(folder)

        stamp.unlink(missing_ok=True)
        # Python compiles what is imported of it; nine tenths never are.
        options = [*PIP_QUIETLY, "--require-hashes", "--no-compile", f"--requirement={lock}"]
        run([python, "-m", "pip", "install", *options])
        stamp.write_text(wanted)

    return python


def _works(python: Path) -> bool:
    """Return whether this interpreter can still start.

    The one it was made from may have been removed or replaced.
    """
    return _runs(python, "import pip")


def _create(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    try:
        run([_interpreter(), "-m", "venv", folder], quiet=True)
    except BuildError as error:
        if os.access("/usr/bin/apt-get", os.X_OK):
            hint = "install Debian's python3-venv and try again"
        else:
            hint = "this Python needs its modules venv and ensurepip"
        raise BuildError(f"{error}\n{hint}") from None


def _interpreter() -> str:
    """Return the Python of the environments: the system's own if it is of this version, else this.

    The system's is what users run the file with, and has mistakes that later ones of its version do
    not have any more. One that was compiled by hand is mostly slower as well.
    """
    version = sys.version_info[:2]
    wanted = f"import ensurepip, sys, venv; sys.exit(sys.version_info[:2] != {version})"
    return SYSTEM_PYTHON if _runs(SYSTEM_PYTHON, wanted) else sys.executable


def _runs(python: Path | str, program: str) -> bool:
    """Return whether an interpreter starts and runs a program to a good end."""
    try:
        tried = subprocess.run([python, "-c", program], check=False, capture_output=True)
    except OSError:
        return False
    return tried.returncode == 0
