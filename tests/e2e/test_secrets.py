"""A secret is in the job's environment and nowhere else.

Not in files, arguments, other environments, logs, answers.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsicle.worker.secret_forms import forms
from tests.product import Installation, Process, Worker, program
from tests.support import wait_until

pytestmark = pytest.mark.e2e

SECRET = "Tr0ub4dor&3 of the database"
TYPED = "what a person typed once"

TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {{name: secretive}}
spec:
  variables: [{{id: typed, type: secret, isRequired: true}}]
  template:
    phases:
      - name: use
        secrets: [db-password]
        outputs: [leaked]
        commands:
          - echo "leaked=$OPSICLE_SECRET_DB_PASSWORD" >> "$OPSICLE_OUTPUT"
          - printf %s "$OPSICLE_VAR_TYPED" | base64 >> "$OPSICLE_SUMMARY"
          - |
            echo "$OPSICLE_SECRET_DB_PASSWORD / $OPSICLE_VAR_TYPED"
            printf %s "$OPSICLE_SECRET_DB_PASSWORD" | base64
            printf 'x%s' "$OPSICLE_SECRET_DB_PASSWORD" | base64 >&2
            printf %s "$OPSICLE_VAR_TYPED" | od -An -tx1 | tr -d ' \\n'
          - set -x; true "$OPSICLE_SECRET_DB_PASSWORD" "$OPSICLE_VAR_TYPED"; set +x
          - test "$(printf %s "$OPSICLE_SECRET_DB_PASSWORD" | wc -c)" = 27
          - touch {folder}/running; while [ ! -e {folder}/searched ]; do sleep 0.05; done
      - name: use-again
        commands:
          - test "$(printf %s "$OPSICLE_OUTPUT_LEAKED" | wc -c)" = 27
"""


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    # New, for what its processes were started with is to be their own.
    with Installation(tmp_path / "place", is_new=True) as installation:
        yield installation


def traces(content: bytes) -> list[bytes]:
    return [form for form in forms([SECRET, TYPED]) if form in content]


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def processes_that_know() -> dict[int, int]:
    """Return processes in whose arguments or environment a secret stands, with their sessions."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            content = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            session = os.getsid(int(folder.name))
        except OSError:
            continue  # it ended meanwhile, as each `sleep` of the job does
        if traces(content):
            found[int(folder.name)] = session
    return found


def test_a_secret_is_nowhere_but_in_the_environment_of_its_job(
    installation: Installation, tmp_path: Path
) -> None:
    admin = installation.admin
    secret_file, values_file = tmp_path / "secret", tmp_path / "values.yaml"
    secret_file.write_text(SECRET + "\n")
    values_file.write_text(f"typed: {TYPED}\n")
    made = admin.cli(
        "-o", "json", "secrets", "create", "db-password", "--value-file", str(secret_file)
    )
    installation.push(TEMPLATE.format(folder=tmp_path))
    worker = installation.worker("w")
    # As a user starts it, for what it was started with is looked at.
    arguments = ["run", "secretive", "--var-file", str(values_file), "--follow"]
    run = Process([*program(), *arguments], admin.folder, "run", admin.environment)
    wait_until((tmp_path / "running").exists, 60, "the job's last command")

    job = processes_that_know()
    assert job, "the job itself has them"
    own = {installation.server.process.pid, worker.process.pid, run.pid, os.getpid()}
    assert not job.keys() & own
    assert not set(job.values()) & {os.getsid(pid) for pid in own}, (
        "only processes of the job's own session know"
    )
    during = {path for path in files_below(installation.folder) if traces(path.read_bytes())}

    (tmp_path / "searched").touch()
    assert run.popen.wait(60) == 0, run.log()
    automation = admin.json("automations", "list")[0]["id"]
    log = admin.cli("logs", automation)
    assert "*** / ***" in log
    assert log.count("***") >= 6
    shown = admin.cli("-o", "json", "automations", "show", automation)
    assert json.loads(shown)["outputs"] == {"leaked": "***"}
    assert json.loads(shown)["summary"] == "***"
    answers = [
        made,
        log,
        run.log(),
        shown,
        admin.cli("-o", "json", "secrets", "list"),
        admin.cli("-o", "json", "secrets", "show", "db-password"),
        admin.cli("-o", "json", "audit", "list"),
        admin.cli("-o", "json", "templates", "show", "secretive"),
    ]
    assert [answer for answer in answers if traces(answer.encode())] == []
    after = {path for path in files_below(installation.folder) if traces(path.read_bytes())}
    assert (during, after) == (set(), set()), (
        "databases, WAL, spool, journal, workspaces, output of all processes"
    )
    installation.server.process.stop()
    worker.process.stop()
    assert [path for path in files_below(installation.folder) if traces(path.read_bytes())] == []
    assert base64.b64encode(SECRET.encode()) in b"".join(forms([SECRET])), (
        "it was searched for in base64, too"
    )


def test_a_server_whose_master_key_is_anothers_does_not_serve(installation: Installation) -> None:
    server = installation.server
    key = server.folder / "data/master.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert server.process.stop() == 0
    key.write_text(base64.b64encode(os.urandom(32)).decode())
    again = Process([*server.process.arguments], server.folder, "again", is_warm=True)
    assert again.popen.wait(60) == 5, again.log()
    assert "error: the master key is not the one" in again.log()
    assert "Traceback" not in again.log()


def test_a_rotation_of_the_master_key_keeps_every_secret(
    installation: Installation, tmp_path: Path
) -> None:
    secret_file, values_file = tmp_path / "secret", tmp_path / "values.yaml"
    secret_file.write_text(SECRET)
    values_file.write_text(f"typed: {TYPED}\n")
    (tmp_path / "searched").touch()
    admin, server = installation.admin, installation.server
    admin.cli("secrets", "create", "db-password", "--value-file", str(secret_file))
    installation.push(TEMPLATE.format(folder=tmp_path))
    data = str(server.folder / "data")
    assert admin.attempt("secrets", "rotate-master-key", "--data-dir", data).returncode == 5
    server.process.stop()
    assert admin.json("secrets", "rotate-master-key", "--data-dir", data) == {"rewrapped": 1}
    server.start()
    admin.login(server)
    worker: Worker = installation.worker("w")
    done = admin.attempt("run", "secretive", "--var-file", str(values_file), "--follow")
    assert done.returncode == 0, done.stdout + done.stderr + worker.process.log()
