"""The built file for aarch64, under qemu with Debian's own Python for it: on request.

`build.py nightly arm64` makes the folder and runs this. It needs root, `qemu-user-static`, a mirror
of Debian, and 500 MB; nothing in the folder is
configured or started but its Python. Server and command line are those of aarch64. The worker that
carries out the job is this machine's: qemu follows one program, not what a job starts.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

from building import zipapp
from tests import processes
from tests.packaging.test_debian_sid import TEMPLATE
from tests.packaging.test_pythons import EVERY_COMPILED_MODULE
from tests.product import Installation
from tests.support import require, wait_until

ARM64 = os.environ.get("OPSICLE_DEBIAN_ARM64", "")

pytestmark = [
    pytest.mark.packaging,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not ARM64, reason="OPSICLE_DEBIAN_ARM64 names no folder with Debian for arm64"
    ),
]


@pytest.fixture(scope="module")
def built_for_arm64() -> Path:
    return zipapp.build("aarch64", anew=False)


@pytest.fixture
def python_of_arm64(tmp_path: Path) -> Path:
    """Return a program that runs the Python in the folder, as if it were this machine's."""
    qemu = which("qemu-aarch64-static")
    require(qemu is not None, "qemu for aarch64: apt-get install qemu-user-static")
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/sh\nexec {qemu} -L {ARM64} {ARM64}/usr/bin/python3 "$@"\n')
    python.chmod(0o755)
    return python


def test_every_compiled_module_loads_on_aarch64(
    built_for_arm64: Path, python_of_arm64: Path, tmp_path: Path
) -> None:
    command = [python_of_arm64, "-c", EVERY_COMPILED_MODULE, built_for_arm64]
    environment = {**os.environ, "OPSICLE_CACHE_DIR": str(tmp_path / "cache")}

    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_server_and_command_line_of_aarch64_have_a_job_carried_out(
    built: Path,
    built_for_arm64: Path,
    python_of_arm64: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def use(file: Path, python: str) -> None:
        monkeypatch.setenv("OPSICLE_UNDER_TEST", str(file))
        monkeypatch.setenv("OPSICLE_TEST_PYTHON", python)

    monkeypatch.setattr(processes, "START_SECONDS", 300)  # qemu is slow, the machine may be busy
    use(built_for_arm64, str(python_of_arm64))
    with Installation(tmp_path / "place") as installation:
        (tmp_path / "hello.yaml").write_text(TEMPLATE)
        (tmp_path / "values.yaml").write_text("{who: world, password: hunter2-hunter2}")
        alice = installation.admin
        alice.cli("templates", "push", str(tmp_path / "hello.yaml"))
        use(built, sys.executable)
        installation.worker("w")
        use(built_for_arm64, str(python_of_arm64))

        run = alice.json("run", "hello", "--var-file", str(tmp_path / "values.yaml"))

        wait_until(
            lambda: alice.json("automations", "show", run["id"])["state"] == "succeeded",
            300,
            "the end of the job",
        )
        assert "hello world" in alice.cli("logs", run["id"])
        assert alice.json("audit", "verify")
