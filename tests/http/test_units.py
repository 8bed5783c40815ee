"""The units that `opsicle service print` makes.

Systemd takes them, and they stop what they start as it needs.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
from pathlib import Path
from shutil import which

import pytest
from click.testing import CliRunner

from opsicle.cli.installed_units import find_installed
from opsicle.cli.invocation import Invocation
from opsicle.cli.root import root
from opsicle.server.lifecycle import FINISH_SECONDS
from opsicle.version import __version__
from opsicle.worker.main import _DRAIN_SECONDS
from tests.product import CHECKOUT, Process, program
from tests.support import require

SECONDS = {"": 1, "s": 1, "min": 60, "h": 3600}


def printed(kind: str, *options: str) -> str:
    done = CliRunner().invoke(root, ["service", "print", kind, *options], obj=Invocation())
    assert done.exit_code == 0, done.output
    return done.output


def setting(unit: str, name: str) -> str:
    (value,) = re.findall(rf"^{name}=(.*)$", unit, re.MULTILINE)
    return str(value)


@pytest.mark.parametrize("options", [("server",), ("worker",), ("worker", "--unconfined")])
def test_systemd_takes_the_unit_without_a_word(tmp_path: Path, options: tuple[str, ...]) -> None:
    require(which("systemd-analyze") is not None, "the package systemd")
    program_file = tmp_path / "opsicle 100%"
    program_file.write_text("#!/bin/sh\n")
    program_file.chmod(0o755)
    path = tmp_path / f"opsicle-{options[0]}.service"
    path.write_text(
        printed(*options, "--program", str(program_file), "--user", "root", "--group", "www-data")
    )

    done = subprocess.run(
        ["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False
    )

    about_ours = [
        line for line in done.stderr.splitlines() if str(path) in line or path.name in line
    ]
    assert (done.returncode, about_ours) == (0, [])


def test_systemd_takes_the_units_of_the_guide_to_backups(tmp_path: Path) -> None:
    require(which("systemd-analyze") is not None, "the package systemd")
    guide = (CHECKOUT / "docs/operations/backup-and-restore.md").read_text()
    units = re.findall(r"`/etc/systemd/system/(\S+)`:\n\n```ini\n(.*?)```", guide, re.DOTALL)
    assert [name for name, _ in units] == ["opsicle-backup.service", "opsicle-backup.timer"]
    for name, unit in units:
        ours = unit.replace("/usr/local/bin/opsicle", "/bin/true").replace("=opsicle\n", "=root\n")
        (tmp_path / name).write_text(ours)

    done = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / name) for name, _ in units)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    about_ours = [line for line in done.stderr.splitlines() if "opsicle-backup" in line]
    assert (done.returncode, about_ours) == (0, [])


@pytest.mark.parametrize("options", [("server",), ("worker",)])
def test_whoever_takes_over_a_unit_gets_little(tmp_path: Path, options: tuple[str, ...]) -> None:
    require(which("systemd-analyze") is not None, "the package systemd")
    path = tmp_path / "opsicle.service"
    path.write_text(printed(*options))

    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", path],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_systemd_makes_the_users_and_folders_that_the_units_name(tmp_path: Path) -> None:
    require(os.geteuid() == 0, "root, to make users in a folder")
    require(which("systemd-sysusers") is not None, "the package systemd")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (tmp_path / "etc/group").write_text("root:x:0:\n")
    for kind in ("sysusers", "tmpfiles"):
        conf = tmp_path / f"{kind}.conf"
        conf.write_text(printed(kind))
        options = ["--create"] if kind == "tmpfiles" else []

        done = subprocess.run(
            [f"systemd-{kind}", f"--root={tmp_path}", *options, conf],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

        assert done.returncode == 0, done.stderr

    made = dict(line.split(":", 1) for line in (tmp_path / "etc/passwd").read_text().splitlines())
    for kind in ("server", "worker"):
        unit = printed(kind)
        user = setting(unit, "User")
        uid = int(made[user].split(":")[1])
        assert made[user].endswith(":/usr/sbin/nologin")
        for below, name in (("lib", "StateDirectory"), ("cache", "CacheDirectory")):
            folder = (tmp_path / "var" / below / setting(unit, name)).stat()
            assert (folder.st_uid, folder.st_mode & 0o7777) == (uid, 0o700)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sysusers", "--user", "me"], "takes no options"),
        (["server", "--unconfined"], "--unconfined is for workers"),
    ],
)
def test_what_no_unit_takes_is_refused(arguments: list[str], says: str) -> None:
    done = CliRunner().invoke(root, ["service", "print", *arguments], obj=Invocation())

    assert done.exit_code == 2
    assert says in done.output


@pytest.mark.parametrize(
    "options",
    [
        ("server", "--group", "www-data", "--group", "ssl-cert"),
        ("worker", "--unconfined", "--user", "runner"),
        ("worker", "--program", "/opt/100% sure/opsicle"),
    ],
)
def test_an_installed_unit_is_known_and_one_that_differs_is_printed_anew(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    path = tmp_path / f"opsicle-{options[0]}.service"
    path.write_text(printed(*options) + "# a word of the operator's\n")
    (current,) = find_installed(tmp_path)

    older = printed(*options).replace("LimitCORE=0\n", "").replace(__version__, "0.0.9", 1)
    path.write_text(older)
    (found,) = find_installed(tmp_path)

    assert (current.is_current, current.made_by) == (True, __version__)
    assert (found.is_current, found.made_by) == (False, "0.0.9")
    anew = shlex.split(found.command)
    assert anew[:3] == ["opsicle", "service", "print"]
    assert printed(*anew[3:]) == printed(*options)

    path.write_text(re.sub("^ExecStart=", "ExecStart='", printed(*options), flags=re.MULTILINE))
    (broken,) = find_installed(tmp_path)
    assert "opsicle service print" in broken.command


def test_an_installed_unit_that_cannot_be_compared_is_not_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "opsicle-server.service"

    def told() -> str:
        found = "".join(unit.text for unit in find_installed(tmp_path))
        path.rmdir() if path.is_dir() else path.unlink()
        return found

    path.write_text(printed("server").replace("/var/lib/opsicle", "/srv/opsicle"))
    assert "starts something else" in told()
    path.write_bytes(printed("server").replace("Opsicle", "Schön").encode("latin-1"))
    assert "not UTF-8" in told()
    for make in (path.mkdir, lambda: path.symlink_to(path), lambda: path.symlink_to("nowhere")):
        make()
        assert "cannot be read (" in told()
    path.symlink_to("/dev/null")
    assert told() == ""


@pytest.mark.parametrize(
    ("kind", "needs"), [("server", FINISH_SECONDS + 3), ("worker", _DRAIN_SECONDS)]
)
def test_a_stop_goes_to_the_main_process_alone_and_has_the_time_that_it_takes(
    kind: str, needs: float
) -> None:
    unit = printed(kind)
    match = re.fullmatch(r"(\d+)([a-z]*)", setting(unit, "TimeoutStopSec"))

    assert setting(unit, "KillMode") == "mixed"
    assert ("Delegate=memory pids" in unit) == (kind == "worker")
    assert match
    assert int(match[1]) * SECONDS[match[2]] > needs


@pytest.mark.parametrize("kind", ["server", "worker"])
def test_the_unit_runs_this_very_program_as_a_user_of_its_own(kind: str) -> None:
    unit = printed(kind)

    assert setting(unit, "User") not in ("", "root")
    assert f" {kind} --data-dir /var/lib/" in setting(unit, "ExecStart")
    assert "SupplementaryGroups" not in unit
    assert setting(
        printed(kind, "--group", "www-data", "--group", "ssl-cert"), "SupplementaryGroups"
    ) == ("www-data ssl-cert")


def test_the_server_tells_its_service_manager_how_far_it_is(tmp_path: Path) -> None:
    """`Type=notify`: started is when it serves, and a reload is over when it is."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        arguments = [
            "--data-dir",
            str(tmp_path / "data"),
            "--listen",
            "127.0.0.1:0",
            "--worker-listen",
            "127.0.0.1:0",
        ]
        server = Process(
            [*program(), "server", *arguments],
            tmp_path,
            "server",
            {"NOTIFY_SOCKET": str(tmp_path / "notify")},
        )
        try:
            assert manager.recv(1000) == b"READY=1", server.log()
            assert "opsicle server ready" in server.output()
            server.popen.send_signal(signal.SIGHUP)
            assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=[0-9]+", manager.recv(1000))
            assert manager.recv(1000) == b"READY=1"
            assert server.stop() == 0
            assert manager.recv(1000) == b"STOPPING=1"
        finally:
            server.kill()
