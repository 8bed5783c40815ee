"""The built file, started as somebody would who has just downloaded it.

Cut off from the network, in a cache of its own.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from building.project import ROOT
from tests.built_file import built_file

Start = Callable[..., subprocess.CompletedProcess[str]]

UNSHARE = (
    ["unshare", "--net", "--mount"]
    if os.geteuid() == 0
    else ["unshare", "--map-root-user", "--net", "--mount"]
)


@pytest.fixture(scope="session")
def built() -> Path:
    """Build the file from the sources as they are."""
    return built_file()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Return where the program will unpack itself; it is not there yet."""
    return tmp_path / "cache"


@pytest.fixture
def environment(cache: Path, tmp_path: Path) -> dict[str, str]:
    """Return the smallest environment that a program is started in."""
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "OPSICLE_CACHE_DIR": str(cache)}


@pytest.fixture(scope="session")
def _namespaces() -> None:
    """Fail in CI, and skip elsewhere, where the system does not let us cut the network off."""
    if subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode != 0:
        refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        refuse("needs root, or user namespaces: sysctl -w kernel.unprivileged_userns_clone=1")


@pytest.fixture
def start(_namespaces: None, built: Path, environment: dict[str, str]) -> Start:
    """Return a function that runs the built file to its end without a network.

    `before` are shell commands that are run first, in its mount namespace.
    """

    def start(
        *arguments: str, python: str = sys.executable, before: str = "true"
    ) -> subprocess.CompletedProcess[str]:
        command = [
            *UNSHARE,
            "sh",
            "-c",
            f'{before} && exec "$@"',
            "sh",
            python,
            str(built),
            *arguments,
        ]
        return subprocess.run(
            command, env=environment, check=False, capture_output=True, text=True, timeout=60
        )

    return start


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """Copy all that goes into the build, with the fetched wheels but nothing built."""
    copy = tmp_path / "one"
    copy.mkdir()
    for name in ("opsicle", "assets", "examples", "building", "requirements"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("build.py", "LICENSE", "pyproject.toml", ".gitignore"):
        shutil.copy(ROOT / name, copy)
    yield copy
    shutil.rmtree(copy)
