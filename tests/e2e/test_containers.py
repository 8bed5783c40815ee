"""As in a container: an account that is only a number, without home and environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.product import CHECKOUT, Installation, Place
from tests.support import require, wait_until

pytestmark = pytest.mark.e2e

UID = 54_321
FILE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: here}
spec: {template: {phases: [{name: say, commands: ["echo $OPSICLE_REQUESTER"]}]}}
"""


@pytest.fixture
def somewhere() -> Iterator[Path]:
    """Return a folder of that account's."""
    require(
        os.geteuid() == 0 and bool(shutil.which("setpriv")),
        "root and setpriv, to be another account",
    )
    with tempfile.TemporaryDirectory(prefix="opsicle-container-") as name:
        Path(name).chmod(0o777)
        yield Path(name)


def number() -> Place:
    """Programs run as an account without a name.

    It may read all, for Python may lie in a folder of root's own.
    """
    caps = "+dac_read_search"
    return Place(
        (
            "setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups",
            f"--inh-caps={caps}", f"--ambient-caps={caps}",
            "env", "-i", f"PATH={os.environ['PATH']}", f"PYTHONPATH={CHECKOUT}",
        )
    )  # fmt: skip


def give(folder: Path) -> None:
    """Make a folder of that account's."""
    folder.mkdir(parents=True)
    os.chown(folder, UID, UID)


def test_a_worker_runs_jobs_as_an_account_that_is_only_a_number(somewhere: Path) -> None:
    with Installation(somewhere / "server") as installation:
        installation.push(FILE)
        token = installation.admin.json("workers", "token")["token"]
        give(somewhere / "server/w/data")

        worker = installation.join("w", token, number())

        run = installation.admin.json("run", "here")
        wait_until(
            lambda: installation.state(run["id"]) == "succeeded",
            60,
        )
        assert Path(f"/proc/{worker.process.pid}").stat().st_uid == UID


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--version"], 0, ""),
        (["--help"], 0, ""),
        (["worker", "--help"], 0, ""),
        (["run", "here.yaml"], 0, f"uid-{UID}"),
        (["templates", "validate", "here.yaml"], 0, ""),
        (["worker", "--data-dir", "w"], 3, "holds no worker yet"),
        (["workers", "list"], 2, "Set OPSICLE_CONFIG_DIR"),
    ],
)
def test_every_command_starts_or_says_what_it_lacks(
    somewhere: Path, arguments: list[str], code: int, text: str
) -> None:
    from tests.product import program

    (somewhere / "here.yaml").write_text(FILE)
    done = subprocess.run(
        [*number().prefix, *program(), *arguments],
        cwd=somewhere,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert text in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr


def test_a_server_starts_as_an_account_that_is_only_a_number(somewhere: Path) -> None:
    give(somewhere / "server/server/data")
    with Installation(somewhere / "server", server_place=number()) as installation:
        assert Path(f"/proc/{installation.server.process.pid}").stat().st_uid == UID
