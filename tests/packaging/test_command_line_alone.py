"""The files of the command line alone, for macOS and Windows, on a Linux that lacks what they lack.

Neither system is at hand. So the file for Linux, of the same parts, is run where every module and
name is gone that only POSIX has, against a real server.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from building import command_line_launcher as launcher
from building import zipapp
from building.wheels import OF_THE_SERVER
from tests.product import Installation

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(300)]

WITHOUT_POSIX = """
import json, os, select, signal, socket, sys
from contextlib import redirect_stderr, redirect_stdout
from importlib.abc import MetaPathFinder
from tempfile import TemporaryFile

GONE = {"fcntl", "grp", "pty", "pwd", "resource", "spwd", "syslog", "termios", "tty"}
GONE |= {"gevent", "apsw", "greenlet"}  # of the server, here by the environment of the tests

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in GONE:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

for name in GONE & set(sys.modules):
    del sys.modules[name]
sys.meta_path.insert(0, Missing())
FROM = {
    os: "chown fchmod fchown fork forkpty getegid geteuid getgid getgroups getpgid getuid killpg "
        "lchown mkfifo posix_spawn sched_getaffinity setegid seteuid setgroups setsid setuid "
        "statvfs sync uname O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK",
    select: "epoll poll",
    signal: "SIGALRM SIGCHLD SIGHUP SIGPIPE SIGUSR1 SIGUSR2 SIGXFSZ pthread_sigmask",
    socket: "AF_UNIX",
}
for module, names in FROM.items():
    for name in names.split():
        delattr(module, name)

sys.path.insert(0, sys.argv[1])
from opsicle.cli import execute
import opsicle
assert opsicle.__file__.startswith(sys.argv[1])

results = []
for command in json.loads(sys.argv[2]):
    with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        with redirect_stdout(out), redirect_stderr(err):
            code = execute(command)
        out.seek(0)
        err.seek(0)
        results.append((code, out.read(), err.read()))
json.dump(results, sys.__stdout__)
"""

TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: greet}
spec:
  variables: [{id: who, type: string, pattern: "[a-z]+", default: world}]
  template: {phases: [{name: greet, commands: ['echo "hello $OPSICLE_VAR_WHO"']}]}
"""


@pytest.fixture(scope="module")
def alone() -> Path:
    """Build the file of the command line alone for this machine.

    Uncompressed: the tests of the whole file have one of the same parts with that.
    """
    return zipapp.build("linux-x86_64", anew=False, is_quick=True)


def test_the_command_line_works_without_server_worker_and_posix(
    alone: Path, tmp_path: Path
) -> None:
    cache, greet = tmp_path / "cache", tmp_path / "greet.yaml"
    greet.write_text(TEMPLATE)
    with Installation(tmp_path / "place") as installation:
        installation.worker("w")
        server, alice = installation.server, installation.admin
        environment = {
            "OPSICLE_CACHE_DIR": str(cache),
            "OPSICLE_CONFIG_DIR": str(tmp_path / "config"),
        }
        version = _run([sys.executable, str(alone), "--version"], environment)
        (unpacked,) = cache.iterdir()
        exported, value = str(tmp_path / "record.jsonl"), tmp_path / "value"
        value.write_text("hunter2-hunter2")
        fingerprint = server.facts["ca_fingerprint"]
        working = [
            ["--help"],
            ["login", "--server", server.url, "--ca-fingerprint", fingerprint, "--email",
             alice.email, "--password-file", str(alice.password_file)],
            ["-o", "json", "whoami"],
            ["templates", "validate", str(greet)],
            ["templates", "push", str(greet)],
            ["run", "greet", "--var", "who=windows", "--follow"],
            ["-o", "json", "automations", "list"],
            ["secrets", "create", "password", "--value-file", str(value)],
            ["workers", "list"],
            ["audit", "verify"],
            ["audit", "export", exported],
            ["completion", "bash"],
            ["man"],
        ]  # fmt: skip
        refused = [
            ["server", "--data-dir", "d"], ["worker", "--data-dir", "d"], ["demo"],
            ["backup", "b"], ["run", str(greet)], ["service", "print", "server"],
            ["secrets", "rotate-master-key", "--data-dir", str(tmp_path)],
        ]  # fmt: skip

        command = [sys.executable, "-c", WITHOUT_POSIX, str(unpacked / "site-packages")]
        results = _results([*command, json.dumps([*working, *refused])], environment)

    assert version.startswith("opsicle")
    for arguments, (code, out, err) in zip(working, results, strict=False):
        assert code == 0, (arguments, out, err)
    commands = set(re.findall(r"^  (\S+)  ", results[0][1], re.MULTILINE))
    assert "announcements" in commands
    assert not {"demo", "server", "backup"} & commands
    assert json.loads(results[2][1])["server"] == server.url
    assert "hello windows" in results[5][1]
    assert json.loads(results[6][1])[0]["state"] == "succeeded"
    for arguments, (code, _, err) in zip(refused, results[len(working) :], strict=True):
        assert code == 2, (arguments, err)
        assert "is not in this file, which is the command line alone" in err
        assert "Servers and workers run on Linux" in err


def _run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _results(command: list[str], environment: dict[str, str]) -> list[tuple[int, str, str]]:
    found: list[Any] = json.loads(_run(command, environment))
    return [(code, out, err) for code, out, err in found]


def test_the_file_has_nothing_of_server_and_worker(alone: Path, built: Path) -> None:
    with ZipFile(alone) as archive, ZipFile(built) as whole:
        names = {name.removeprefix("site-packages/") for name in archive.namelist()}
        size, size_of_whole = (
            sum(entry.file_size for entry in each.infolist()) for each in (archive, whole)
        )

    folders = {"/".join(name.split("/")[:2]) for name in names}
    assert not {"opsicle/server", "opsicle/worker", "opsicle/assets"} & folders
    assert not {name.replace("-", "_") for name in OF_THE_SERVER} & {
        name.split("/")[0] for name in names
    }
    assert size < 0.6 * size_of_whole


@pytest.mark.parametrize(
    ("name", "is_ours"),
    [
        ("site-packages/msgspec/_core.cp312-win_amd64.pyd", True),
        ("site-packages/msgspec/_core.cp311-win_amd64.pyd", False),
        ("site-packages/msgspec/_core.cpython-312-darwin.so", True),
        ("site-packages/msgspec/_core.cpython-313-darwin.so", False),
        ("site-packages/cryptography/hazmat/bindings/_rust.pyd", True),
        ("site-packages/opsicle/cli/root.py", True),
        ("__main__.py", False),
    ],
)
def test_only_what_this_python_loads_is_unpacked(
    monkeypatch: pytest.MonkeyPatch, name: str, is_ours: bool
) -> None:
    monkeypatch.setattr(sys.implementation, "cache_tag", "cpython-312")
    assert launcher.is_for_this_python(name) == is_ours


def test_another_system_is_told_what_the_file_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "MACHINE", "macos-arm64")
    monkeypatch.setattr(sys, "platform", "win32")

    with pytest.raises(SystemExit, match="this file is for macos-arm64; this is windows-x86_64"):
        launcher.refuse_unsupported()


def test_a_folder_that_others_can_write_is_not_unpacked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o777)
    monkeypatch.setenv("OPSICLE_CACHE_DIR", str(tmp_path))

    with pytest.raises(SystemExit, match="can be written by others"):
        launcher.cache_folder()
