"""`build.py nightly`: the tests that `build.py test` leaves out, and what they run in.

They need other Debians than this machine's, or take more CPU than what they show is worth on every
change. The folders are made by debootstrap in `.cache/nightly` and kept.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from building import debian, tests
from building.debian import Package
from building.environments import development_environment
from building.project import CACHE, ROOT, BuildError, only_one, run, say

FOLDERS = CACHE / "nightly"
MADE_BY = "made-by"
"""A file in each folder that says of which arguments it was made."""

STALE_SECONDS = 14 * 86400
"""After so long a folder is made anew: Debian's newest release is to be the newest."""

PACKAGES = {
    "debootstrap": Package("/usr/sbin/debootstrap", "makes folders with other Debians"),
    "qemu-user-static": Package("qemu-aarch64-static", "runs programs for aarch64"),
}


class Suite(NamedTuple):
    """Tests that are run on request alone."""

    purpose: str
    files: tuple[str, ...]
    variable: str = ""
    """Names the folder in which they run; "" if that is the system itself."""
    debootstrap: tuple[str, ...] = ()
    """The arguments before the folder."""
    packages: tuple[str, ...] = ()


SUITES = {
    "sid": Suite(
        "Debian's newest Python",
        ("tests/packaging/test_debian_sid.py",),
        "OPSICLE_DEBIAN_SID",
        ("--variant=minbase", "--include=python3", "sid"),
        ("debootstrap",),
    ),
    "arm64": Suite(
        "server and command line for aarch64, by qemu",
        ("tests/packaging/test_debian_arm64.py",),
        "OPSICLE_DEBIAN_ARM64",
        (
            "--arch=arm64",
            "--foreign",
            "--variant=minbase",
            "--include=python3,linux-image-cloud-arm64",  # the kernel is for bench/arm64_machine.py
            "bookworm",
        ),
        ("debootstrap", "qemu-user-static"),
    ),
    "scale": Suite(
        "images, the file as it is released, larger models, kills, walks: OPSICLE_TEST_SCALE=2",
        (
            "tests/browser/test_memory.py",
            "tests/browser/test_pages.py",
            "tests/browser/test_story.py",
            "tests/e2e/test_backups.py",
            "tests/e2e/test_between.py",
            "tests/e2e/test_built_file.py",
            "tests/e2e/test_data_folders.py",
            "tests/e2e/test_images.py",
            "tests/e2e/test_killed_restores.py",
            "tests/e2e/test_killed_starts.py",
            "tests/e2e/test_kills.py",
            "tests/e2e/test_paused_jobs.py",
            "tests/e2e/test_standby.py",
            "tests/e2e/test_upgrading.py",
            "tests/http/test_openapi.py",
            "tests/packaging/test_first_start.py",
            "tests/packaging/test_pythons.py",
            "tests/packaging/test_release.py",
            "tests/packaging/test_reproducible.py",
            "tests/services/test_approval_walk.py",
            "tests/services/test_lease_model.py",
            "tests/services/test_power_cuts.py",
            "tests/services/test_races.py",
            "tests/services/test_tampered_walk.py",
            "tests/unit/test_cli_demo.py",
            "tests/unit/test_migrations.py",
            "tests/unit/test_rights.py",
            "tests/unit/test_structs.py",
            "tests/worker/test_hostile_servers.py",
            "tests/worker/test_masking.py",
            "tests/worker/test_runner_ending.py",
        ),
    ),
}
SCALE = {"OPSICLE_TEST_SCALE": "2"}


def run_all(names: Collection[str], arguments: Iterable[str], *, anew: bool = False) -> int:
    """Run suites, all unless named; return pytest's worst exit code. Arguments go to pytest.

    Nothing is skipped: what a test lacks is an error. Raises BuildError without root on Debian.
    """
    chosen = {name: SUITES[name] for name in names or SUITES}
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise BuildError("nightly makes folders with Debian in them, as root on Debian alone")
    needed = {package for suite in chosen.values() for package in suite.packages}
    debian.install_missing({name: PACKAGES[name] for name in sorted(needed)})
    debian.install_missing()
    environment = {**tests.environment(), **SCALE, "CI": "true"}
    for name, suite in chosen.items():
        if suite.variable:
            environment[suite.variable] = str(folder(name, anew=anew))

    python = str(development_environment())
    worst = 0
    for name, suite in chosen.items():
        say(f"nightly: {name}: {suite.purpose}")
        command = [python, "-m", "pytest", *suite.files, *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
        worst = max(worst, done.returncode)
    return worst


def folder(name: str, *, anew: bool = False) -> Path:
    """Return the folder of a suite, made where it is missing, stale, or wanted anew.

    It is whole or not there: what debootstrap has left of one that failed is removed first.
    """
    path = FOLDERS / name
    with only_one(f"nightly-{name}"):
        made_by = " ".join(SUITES[name].debootstrap)
        if anew or not _is_fresh(path, made_by):
            say(f"debootstrap {made_by} into {path}")
            draft = path.with_suffix(".new")
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
            run(["debootstrap", *SUITES[name].debootstrap, draft], quiet=True)
            if "--foreign" in SUITES[name].debootstrap:
                _unpack(draft)
            (draft / MADE_BY).write_text(made_by)
            shutil.rmtree(path, ignore_errors=True)
            draft.rename(path)
    return path


def _is_fresh(path: Path, made_by: str) -> bool:
    stamp = path / MADE_BY
    if not stamp.exists() or stamp.read_text() != made_by:
        return False
    return time.time() - stamp.stat().st_mtime < STALE_SECONDS


def _unpack(folder: Path) -> None:
    """Unpack packages of another architecture, without running what they bring."""
    for package in sorted((folder / "var/cache/apt/archives").glob("*.deb")):
        run(["dpkg-deb", "-x", package, folder], quiet=True)
