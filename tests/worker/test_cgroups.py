"""Limits of memory and processes by cgroups of version 2, in a kernel that has them.

That of the tests' machine may have version 1, or belong to others: so a kernel is started as a
process (user-mode Linux), which sees this machine's files and has cgroups of its own.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opsicle.worker.cgroups import NoCgroups, find_cgroups
from tests.support import require

KERNEL = "linux.uml"
ROOT = Path(__file__).parents[2]

INIT = """\
#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs none {tmp}/work
mount -t cgroup2 none /sys/fs/cgroup
echo "+memory +pids" > /sys/fs/cgroup/cgroup.subtree_control
cd {root}
export HOME=/ LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PYTHONPATH={root} PYTHONDONTWRITEBYTECODE=1
in_a_cgroup_of() {{  # NAME OWNER COMMAND…, as systemd does for a unit with Delegate=
    mkdir /sys/fs/cgroup/$1 {tmp}/work/$1
    (cd /sys/fs/cgroup/$1 && chown $2 . cgroup.procs cgroup.subtree_control {tmp}/work/$1)
    sh -c 'echo $$ > /sys/fs/cgroup/'$1'/cgroup.procs; shift 2; exec "$@"' sh "$@"
}}
jobs="{python} -m tests.worker.cgroup_jobs {tmp}/work"
chmod 711 {tmp}/work
user="setpriv --reuid=65534 --regid=65534 --clear-groups"
in_a_cgroup_of root.service root $jobs/root.service > {tmp}/root 2>{tmp}/root.err
in_a_cgroup_of user.service nobody $user $jobs/user.service > {tmp}/user 2>{tmp}/user.err
{python} -c 'import ctypes; ctypes.CDLL(None).reboot(0x4321FEDC)'
"""


@pytest.fixture(scope="module")
def tmp() -> Iterator[Path]:
    """Return a folder that is no part of /dev, of which that kernel has its own."""
    with tempfile.TemporaryDirectory(prefix="opsicle-uml-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def told(tmp: Path) -> dict[str, Any]:
    """Return what became of jobs, by how they ran: as root, as another user, as a worker's own."""
    require(shutil.which(KERNEL) is not None, f"{KERNEL}, a kernel as a process")
    require(os.geteuid() == 0, "root, as whom that kernel sees this machine's files")
    (tmp / "work").mkdir()
    tmp.chmod(0o711)
    init = tmp / "init"
    init.write_text(INIT.format(tmp=tmp, root=shlex.quote(str(ROOT)), python=sys.executable))
    init.chmod(0o755)

    kernel = subprocess.run(
        [
            KERNEL,
            "rootfstype=hostfs",
            "rw",
            "mem=256M",
            f"init={init}",
            "con=null",
            "con0=null,fd:1",
        ],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=250,
        check=False,
    )

    printed = kernel.stdout.decode(errors="replace")[-3000:]
    for name in ("root", "user"):
        printed += (tmp / f"{name}.err").read_text() if (tmp / f"{name}.err").exists() else ""
    try:
        root, user = (json.loads((tmp / name).read_text()) for name in ("root", "user"))
    except (OSError, ValueError):
        pytest.fail(printed)
    return {
        "root": root["own"],
        "run-as": root["other"],
        "user": user["own"],
        **root,
    }


ways = pytest.mark.parametrize("way", ["root", "run-as", "user"])


@ways
def test_a_phase_that_wants_more_memory_is_killed_whole_and_says_why(
    told: dict[str, Any], way: str
) -> None:
    hog = told[way]["hog"]

    assert told[way]["by"] == "cgroup v2"
    assert (hog["state"], hog["exit_code"]) == ("failed", 137)
    assert hog["explanation"] == "killed by the memory limit of 24 MiB"
    assert "opsicle: limits: 24 MiB of memory by cgroup v2\n" in hog["log"]
    assert "went on" not in hog["log"]


@ways
def test_a_phase_that_wanted_more_processes_has_failed_whatever_it_exits_with(
    told: dict[str, Any], way: str
) -> None:
    bomb = told[way]["bomb"]

    assert (bomb["state"], bomb["exit_code"]) == ("failed", None)
    assert bomb["explanation"] == "it needed more than its limit of 6 processes"


@ways
def test_what_stays_within_its_limits_leaves_no_cgroup(told: dict[str, Any], way: str) -> None:
    both = told[way]["both"]

    assert both["state"] == "succeeded"
    assert both["log"].endswith("\nfits\n")
    assert both["left"] == []


@ways
def test_a_daemon_stays_within_the_limits_and_its_cgroup_goes_once_it_has(
    told: dict[str, Any], way: str
) -> None:
    assert len(told[way]["daemon"]["left"]) == 1
    assert told[way]["after the daemon"]["left"] == []


def test_a_cgroup_that_others_are_in_is_left_alone(told: dict[str, Any]) -> None:
    assert told["refused"].startswith("its cgroup is not its own: others are in it, as process ")


def test_a_cgroup_that_systemd_has_not_handed_over_is_left_alone_by_root_too(
    told: dict[str, Any],
) -> None:
    assert told["refused to root"].startswith("its cgroup is systemd's to manage")


def test_without_version_2_there_are_no_cgroups(tmp_path: Path) -> None:
    mounts, own = tmp_path / "mountinfo", tmp_path / "cgroup"
    mounts.write_text("30 23 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs ro\n")
    own.write_text("4:memory:/user.slice\n1:name=systemd:/user.slice\n")

    with pytest.raises(NoCgroups, match="shows it no cgroup v2"):
        find_cgroups(mounts, own)
