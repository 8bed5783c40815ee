"""`docs/api.md` says what the server does, and its client works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsicle.domain.errors import BY_CODE
from opsicle.wire.problems import status_of
from tests.product import CHECKOUT, Installation, clean_environment
from tests.thin_api import Access

GUIDE = (CHECKOUT / "docs" / "api.md").read_text()
TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: greet}
spec:
  variables: [{id: who, default: nobody}, {id: ends, default: well}]
  template:
    phases:
      - name: one
        commands: ['echo "hello $OPSICLE_VAR_WHO"; test "$OPSICLE_VAR_ENDS" = well']
"""
NOT_OF_USERS = {"usage", "unreachable", "lease_lost", "log_incomplete", "clock_off"}
"""Codes of the command line, and of what workers are answered."""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("guide")) as installation:
        installation.worker("w1")
        installation.push(TEMPLATE)
        yield installation


@pytest.fixture(scope="module")
def access(installation: Installation) -> Access:
    return installation.access()


def run_client(access: Access, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (source,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    (folder / "client.py").write_text(source)
    (folder / "ca.pem").write_text(access.ca_pem)
    environment = {
        "OPSICLE_SERVER": access.url,
        "OPSICLE_TOKEN": access.token,
        "OPSICLE_CA_FILE": str(folder / "ca.pem"),
    }
    return subprocess.run(
        [sys.executable, str(folder / "client.py"), *arguments],
        capture_output=True,
        text=True,
        env=clean_environment(environment),
        timeout=60,
        check=False,
    )


def test_the_client_of_the_guide_runs_a_template_to_its_end(access: Access, tmp_path: Path) -> None:
    done = run_client(access, tmp_path, "greet", "who=Ada")

    assert (done.returncode, done.stdout, done.stderr) == (0, "hello Ada\n", "")


def test_the_client_of_the_guide_tells_a_failure(access: Access, tmp_path: Path) -> None:
    assert run_client(access, tmp_path, "greet", "ends=badly").returncode == 1


def test_the_client_of_the_guide_says_what_the_server_says(access: Access, tmp_path: Path) -> None:
    done = run_client(access, tmp_path, "gret")

    assert done.returncode == 1
    assert "there is no template gret" in done.stderr


def test_the_client_of_the_guide_is_as_short_as_it_says() -> None:
    (source,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert len([line for line in source.splitlines() if line.strip()]) <= 31


def test_the_guide_has_every_code_with_its_status() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([0-9]{3}) \|", GUIDE, re.MULTILINE))
    known = {
        code: str(status_of(kind.__new__(kind)))
        for code, kind in BY_CODE.items()
        if code not in NOT_OF_USERS
    }
    assert rows == {**known, "method_not_allowed": "405", "too_many_requests": "429"}
