"""The built file on Debian's newest Python, which this machine does not have: on request.

`build.py nightly sid` makes the folder and runs this. It needs root, a mirror of Debian, and 300
MB.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.packaging.test_pythons import EVERY_COMPILED_MODULE
from tests.processes import CHECKOUT
from tests.product import Installation, Place
from tests.support import wait_until

SID = os.environ.get("OPSICLE_DEBIAN_SID", "")
PYTHON = "/usr/bin/python3"

pytestmark = [
    pytest.mark.packaging,
    pytest.mark.skipif(not SID, reason="OPSICLE_DEBIAN_SID names no folder with Debian sid"),
]

TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: hello}
spec:
  variables: [{id: who, type: string, pattern: "[a-z]+"}, {id: password, type: secret}]
  template: {phases: [{name: greet, commands: ['echo "hello $OPSICLE_VAR_WHO"']}]}
"""

_ENTER = """
for each in /proc /dev "$1" "$2"; do mkdir -p "$0$each"; mount --rbind "$each" "$0$each"; done
shift 2; exec chroot "$0" "$@"
"""


@pytest.fixture
def sid(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Return the folder as a place to run the built file in, with its own Python."""
    monkeypatch.setenv("OPSICLE_UNDER_TEST", str(built))
    monkeypatch.setenv("OPSICLE_TEST_PYTHON", PYTHON)
    shown = (str(CHECKOUT), str(tmp_path))
    return Place(("unshare", "--mount", "sh", "-ec", _ENTER, SID, *shown))


def test_every_compiled_module_loads_on_the_newest_python(
    sid: Place, built: Path, tmp_path: Path
) -> None:
    command = [*sid.prefix, PYTHON, "-c", EVERY_COMPILED_MODULE, str(built)]
    environment = {**os.environ, "OPSICLE_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_server_worker_and_command_line_run_on_the_newest_python(
    sid: Place, tmp_path: Path
) -> None:
    with Installation(tmp_path / "place", server_place=sid, user_place=sid) as installation:
        (tmp_path / "hello.yaml").write_text(TEMPLATE)
        (tmp_path / "values.yaml").write_text("{who: world, password: hunter2-hunter2}")
        alice = installation.admin
        alice.cli("templates", "push", str(tmp_path / "hello.yaml"))
        installation.worker("w", sid)

        run = alice.json("run", "hello", "--var-file", str(tmp_path / "values.yaml"))

        wait_until(
            lambda: alice.json("automations", "show", run["id"])["state"] == "succeeded",
            what="the end of the job",
        )
        assert "hello world" in alice.cli("logs", run["id"])
        assert alice.json("audit", "verify")
