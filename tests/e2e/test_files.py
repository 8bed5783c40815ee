"""Files from a person's disk to a job's commands, past everybody who could change them."""

from __future__ import annotations

import hashlib
import http.client
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.product import Installation
from tests.support import wait_until
from tests.thin_api import Api

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

LOAD = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: load}
spec:
  variables:
    - {id: table, type: file, isRequired: true}
    - {id: more, type: file, multiple: true}
  template:
    phases:
      - name: load
        commands: ['sha256sum < "$OPSICLE_VAR_TABLE"; echo "$OPSICLE_VAR_MORE" | wc -l']
"""
CONTENT = os.urandom(3_000_000)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("files")
    with Installation(folder, server_options=("--artifact-mib", "4")) as installation:
        installation.worker("w1")
        installation.push(LOAD)
        yield installation


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def incoming(installation: Installation) -> list[Path]:
    return [*(installation.server.folder / "data/artifacts/incoming").glob("*")]


def test_a_file_reaches_the_commands_by_the_command_line(
    installation: Installation, tmp_path: Path
) -> None:
    file, others = tmp_path / "prices é.csv", [tmp_path / "a", tmp_path / "b"]
    for path in (file, *others):
        path.write_bytes(CONTENT)

    more = [f"--var=more=@{other}" for other in others]
    ran = installation.admin.attempt("run", "load", f"--var=table=@{file}", *more, "--follow")

    assert (ran.returncode, ran.stdout.split()) == (0, [sha256(CONTENT), "-", "2"]), ran.stderr
    [newest, *_] = installation.admin.json("automations", "list", "--template", "load")
    shown = installation.admin.json("automations", "show", newest["id"])
    assert shown["values"]["table"] == f"sha256:{sha256(CONTENT)}, 3000000 bytes, prices é.csv"
    assert [each["name"] for each in shown["files"]] == ["a", "b", "prices é.csv"]
    file.write_bytes(b"another")
    installation.admin.cli("files", "get", newest["id"], "table", "--to", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == CONTENT
    again = installation.admin.json("automations", "rerun", newest["id"])
    assert again["values"] == shown["values"]
    text = installation.admin.attempt("automations", "show", newest["id"]).stdout
    assert sha256(CONTENT) in text


def test_what_is_no_file_is_refused_before_anything_is_sent(
    installation: Installation, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "fifo")

    ran = installation.admin.attempt(
        "run", "load", f"--var=table=@{tmp_path}/fifo", "--var=more=plain", "--var=more=@/nowhere"
    )

    assert ran.returncode == 2
    assert "values.table: " in ran.stderr
    assert "no plain file" in ran.stderr
    assert "values.more: is a file: give it as `@PATH`" in ran.stderr
    assert "No such file" in ran.stderr


def half_an_upload(installation: Installation) -> http.client.HTTPSConnection:
    """Begin to upload a file, and return the connection once half of it has arrived."""
    api = Api(installation.access())
    connection = api._connection
    connection.putrequest("POST", "/api/v1/files?name=half")
    headers = {**api._headers, "Content-Type": "application/octet-stream"}
    for name, value in {**headers, "Content-Length": str(len(CONTENT))}.items():
        connection.putheader(name, value)
    connection.endheaders(CONTENT[:1_500_000])
    wait_until(
        lambda: sum(path.stat().st_size for path in incoming(installation)) > 1_000_000,
        60,
        "half of the file",
    )
    return connection


def test_an_upload_that_breaks_off_leaves_nothing_that_counts(installation: Installation) -> None:
    half_an_upload(installation).close()
    wait_until(lambda: incoming(installation) == [], 60, "the half to go")

    connection = half_an_upload(installation)
    installation.server.process.kill()
    connection.close()
    installation.server.start()

    assert incoming(installation) == []
    assert "'half'" not in str(installation.admin.json("audit", "list", "--limit", "1000"))


def test_a_file_that_is_too_large_is_said_to_be(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(CONTENT * 2)

    ran = installation.admin.attempt("run", "load", f"--var=table=@{tmp_path}/large")

    assert "a file may have 4 MiB at most" in ran.stderr
    assert ran.returncode == 2
    assert incoming(installation) == []
