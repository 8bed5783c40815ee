"""B1: the same commit gives the same bytes."""

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from building.project import CACHE
from opsicle.kit import resources
from tests.support import SCALE

pytestmark = pytest.mark.packaging

LONG_AGO = 1_000_000_000
WHO = ["-c", "user.name=Alice", "-c", "user.email=alice@example.com"]


def test_two_builds_of_one_commit_in_different_folders_and_times_are_byte_identical(
    built: Path, checkout: Path, tmp_path: Path
) -> None:
    git(checkout, "init", "--quiet", ".")
    git(checkout, "add", ".")
    git(checkout, *WHO, "commit", "--quiet", "--message", "one")
    git(tmp_path, "clone", "--quiet", str(checkout), "a folder elsewhere")
    for path in checkout.rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO))

    first = build(checkout, umask=0o022, TZ="UTC", LC_ALL="C")
    second = build(
        tmp_path / "a folder elsewhere", umask=0o077, TZ="Pacific/Auckland", PYTHONHASHSEED="7"
    )

    assert first.read_bytes() == second.read_bytes()
    commit = git(checkout, "rev-parse", "--short=10", "HEAD")
    assert version(first, tmp_path).endswith(f"+g{commit}")


def test_without_git_the_version_names_no_commit_and_the_build_works(
    built: Path, checkout: Path, tmp_path: Path
) -> None:
    if SCALE > 1:
        assert "+" not in version(build(checkout), tmp_path)
    asked = [sys.executable, "-c", "from building import zipapp; print([zipapp._commit()])"]

    named = subprocess.run(asked, cwd=checkout, check=True, capture_output=True, text=True)

    assert named.stdout == "['']\n"


def test_the_built_file_carries_every_asset_and_no_tools_settings(built: Path) -> None:
    with ZipFile(built) as archive:
        names = {name.partition("/opsicle/assets/")[2] for name in archive.namelist()} - {""}
    assert names == set(resources.asset_names())


def build(folder: Path, umask: int = 0o022, **environment: str) -> Path:
    """Build in a folder that shares with this checkout only what was fetched for it.

    Uncompressed: `built` is a build with that, and to compress depends on the content alone.
    """
    cache = folder / ".cache"
    cache.mkdir()
    for name in ("wheels", "build-env"):
        (cache / name).symlink_to(CACHE / name)
    command = [sys.executable, "build.py", "--quick"]
    subprocess.run(
        command, cwd=folder, env=os.environ | environment, umask=umask, check=True, timeout=100
    )
    return folder / "dist" / "opsicle"


def version(file: Path, tmp_path: Path) -> str:
    env = {"PATH": os.environ["PATH"], "OPSICLE_CACHE_DIR": str(tmp_path / "cache")}
    result = subprocess.run(
        [sys.executable, file, "--version"], env=env, check=True, capture_output=True, text=True
    )
    return result.stdout.strip()


def git(folder: Path, *arguments: str) -> str:
    result = subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return result.stdout.strip()
