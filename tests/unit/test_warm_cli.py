"""Commands that are forked are as those that start from nothing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsicle.client.saved_logins import SavedLogin, SavedLogins
from tests.product import CHECKOUT, User
from tests.support import wait_until
from tests.warm_cli import WarmCli

SHOW_MODULES = "import json, sys; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
ALONE = f"""
import atexit
atexit.register(lambda: exec({SHOW_MODULES!r}))
from opsicle.cli import main
main()
"""
BEFOREHAND = f"""
from tests import forking_cli
forking_cli.load(ROLE)
{SHOW_MODULES}
"""
OF_ITS_OWN = {"tests", "tests.forking_cli", "array", "gc", "select", "selectors", "socket"}
"""What forking needs by itself."""
NOWHERE = "127.0.0.1:0"


@pytest.fixture
def user(tmp_path: Path) -> User:
    """Return somebody who has logged in to a server that is away."""
    user = User(tmp_path / "user", "alice@example.com")
    log_in(user, "https://127.0.0.1:1")
    return user


@pytest.fixture
def warm() -> Iterator[WarmCli]:
    warm = WarmCli()
    yield warm
    warm.close()


def log_in(user: User, url: str) -> None:
    config = Path(user.environment["OPSICLE_CONFIG_DIR"])
    SavedLogins(config).save("default", SavedLogin(server=url, token="opsu_x"))


def loaded_by(user: User, program: str, *arguments: str) -> set[str]:
    """Return what is loaded in the end; a command that goes on is stopped at its first word."""
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=CHECKOUT,
        env={**os.environ, **user.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        running.stdout.readline()
        running.terminate()
        _, err = running.communicate(timeout=60)
    return set(json.loads(err.splitlines()[-1]))


@pytest.mark.parametrize(
    ("role", "arguments", "module"),
    [
        ("caller", ["whoami"], "opsicle.client.saved_logins"),
        (
            "reader",
            ["templates", "validate", "pyproject.toml"],
            "opsicle.domain.template_parser",
        ),
        ("server", ["server", "--listen", NOWHERE, "--worker-listen", NOWHERE], "gevent.monkey"),
        ("worker", ["worker"], "opsicle.worker.main"),
    ],
    ids=["caller", "reader", "server", "worker"],
)
def test_nothing_is_loaded_beforehand_that_a_command_does_not_load_alone(
    user: User, tmp_path: Path, role: str, arguments: list[str], module: str
) -> None:
    beforehand = loaded_by(user, BEFOREHAND.replace("ROLE", repr(role)))

    where = [] if role in {"caller", "reader"} else ["--data-dir", str(tmp_path / "data")]
    alone = loaded_by(user, ALONE, *arguments, *where)

    assert module in beforehand
    assert beforehand - OF_ITS_OWN <= alone


def test_a_command_says_and_ends_as_one_that_starts_from_nothing(
    user: User, warm: WarmCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.yaml").write_text("kind: nothing\n")
    environment = {**os.environ, **user.environment}
    for arguments in (["whoami"], ["no-such-thing"], ["validate", "t.yaml"], ["--version"]):
        forked = warm.run(arguments, environment, 60)

        alone = subprocess.run(
            [sys.executable, CHECKOUT / "opsicle.py", *arguments],
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
        assert forked.stdout == alone.stdout
        assert forked.stderr == alone.stderr
        assert forked.returncode == alone.returncode


def test_a_command_that_takes_too_long_is_killed(user: User, warm: WarmCli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        log_in(user, f"https://127.0.0.1:{silent.getsockname()[1]}")

        with pytest.raises(subprocess.TimeoutExpired):
            warm.run(["whoami"], {**os.environ, **user.environment}, 0.5)

    children = Path(f"/proc/{warm.pid}/task/{warm.pid}/children")
    wait_until(lambda: not children.read_text(), what="the end of the command")


@pytest.mark.parametrize("name", ["LC_ALL", "PYTHONUTF8", "LD_PRELOAD", "TZ"])
def test_what_python_looks_at_when_it_starts_is_left_to_a_real_start(
    name: str, warm: WarmCli
) -> None:
    assert warm.suits({**os.environ, "NO_COLOR": "1"})
    assert not warm.suits({**os.environ, name: "another"})
