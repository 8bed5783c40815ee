"""What people get wrong, as they do.

Each ends with a clear message, the agreed exit code and no traceback.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opsicle.security.authority import Authority
from tests.product import Installation, Process, Worker, program
from tests.support import wait_until

pytestmark = pytest.mark.e2e

TYPED = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: typed}
spec:
  variables:
    - {id: count, type: number, min: 1, isRequired: true}
    - {id: service, type: enum, options: [nginx, haproxy], default: nginx}
  template:
    phases: [{name: show, commands: ["echo $((OPSICLE_VAR_COUNT))"]}]
"""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("bad-input")) as installation:
        installation.push(TYPED)
        yield installation


def refused(done: subprocess.CompletedProcess[str], code: int, *said: str) -> None:
    """Assert that it ended as agreed, said what matters, and nothing that looks like a defect."""
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    for text in said:
        assert text in done.stderr, f"{text!r} is not in\n{done.stderr}"
    assert "Traceback" not in done.stdout + done.stderr
    assert "internal error" not in done.stderr


def ended(process: Process, *said: str) -> int:
    """Return a server or worker that cannot go on says why and ends."""
    code = process.popen.wait(60)
    for text in said:
        assert text in process.log(), process.log()
    assert "Traceback" not in process.log()
    return code


def test_a_template_with_mistakes_is_refused_with_the_line_of_each(
    installation: Installation, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(TYPED.replace("commands", "comands").replace("min: 1", "min: one"))
    refused(
        installation.admin.attempt("templates", "validate", str(bad)),
        2,
        "did you mean `commands`",
        ":10:",
        ":7:",
    )
    refused(
        installation.admin.attempt("templates", "push", str(bad)),
        2,
        "did you mean `commands`",
        "line 10",
        "line 7",
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--var=count=many"], "count"),
        (["--var=count=0"], "count"),
        (["--var=count=1", "--var=service=apache"], "apache"),
        (["--var=count=1", "--var=servise=nginx"], "service"),
        ([], "count"),
        (["--var=count"], "count"),
        (["--var-file=/does/not/exist.yaml", "--var=count=1"], "exist.yaml"),
    ],
)
def test_values_that_do_not_fit_are_refused_by_name(
    installation: Installation, arguments: list[str], said: str
) -> None:
    refused(installation.admin.attempt("run", "typed", *arguments), 2, said)


def test_what_does_not_exist_is_not_found(installation: Installation) -> None:
    refused(installation.admin.attempt("run", "no-such-template"), 4, "no-such-template")
    refused(installation.admin.attempt("automations", "show", "nothing"), 4, "nothing")
    refused(installation.admin.attempt("run", "./no-such-file.yaml"), 2, "no-such-file.yaml")


def test_what_a_role_may_not_do_is_not_allowed(installation: Installation, tmp_path: Path) -> None:
    reporter = installation.person("eve@example.com", "reporter")
    refused(reporter.attempt("run", "typed", "--var=count=1"), 3, "reporter")
    refused(reporter.attempt("workers", "token"), 3)
    refused(reporter.attempt("users", "list", "--nonsense"), 2, "--nonsense")


def test_a_server_that_is_down_is_unreachable(installation: Installation) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{taken.getsockname()[1]}"
        login = [
            "login",
            "--server",
            url,
            "--email",
            "a@example.com",
            "--ca-fingerprint",
            "sha256:" + "0" * 64,
        ]
        anonymous = installation.admin
        refused(anonymous.attempt(*login, "--password-file", str(anonymous.password_file)), 6, url)


def test_a_server_of_another_ca_is_not_trusted(installation: Installation) -> None:
    login = ["login", "--server", installation.server.url, "--email", installation.admin.email]
    password = ["--password-file", str(installation.admin.password_file)]
    wrong = installation.admin.attempt(*login, *password, "--ca-fingerprint", "sha256:" + "0" * 64)
    refused(wrong, 6, "fingerprint")


def test_a_server_whose_ca_nobody_has_confirmed_is_not_trusted_silently(
    installation: Installation, tmp_path: Path
) -> None:
    anonymous = installation.admin.__class__(tmp_path / "stranger", "mallory@example.com")
    login = ["login", "--server", installation.server.url, "--email", anonymous.email]
    refused(
        anonymous.attempt(*login, "--password-file", str(anonymous.password_file)),
        2,
        "--ca-fingerprint",
    )


def server(folder: Path, *options: str) -> Process:
    return Process([*program(), "server", *options], folder, "another-server", is_warm=True)


def test_a_port_in_use_is_a_conflict(installation: Installation, tmp_path: Path) -> None:
    listen = installation.server.url.removeprefix("https://")
    process = server(
        tmp_path,
        "--data-dir",
        str(tmp_path / "data"),
        "--listen",
        listen,
        "--worker-listen",
        "127.0.0.1:0",
    )
    assert ended(process, listen.rpartition(":")[2]) == 5


def test_a_second_server_on_the_same_folder_is_a_conflict(
    installation: Installation, tmp_path: Path
) -> None:
    data = str(installation.server.folder / "data")
    process = server(
        tmp_path, "--data-dir", data, "--listen", "127.0.0.1:0", "--worker-listen", "127.0.0.1:0"
    )
    assert ended(process) == 5


@pytest.mark.parametrize("command", ["server", "worker"])
def test_a_data_folder_that_cannot_be_written_is_named(tmp_path: Path, command: str) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("not a folder")
    options = ["--data-dir", str(occupied / "data")]
    process = Process([*program(), command, *options], tmp_path, command, is_warm=True)
    assert ended(process, str(occupied)) != 0


def test_a_certificate_without_its_key_is_refused_at_the_start(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    certificate, _ = Authority.create(now).issue_server(["ops.example.com"], now)
    _, other_key = Authority.create(now).issue_server(["ops.example.com"], now)
    (tmp_path / "cert.pem").write_text(certificate)
    (tmp_path / "key.pem").write_text(other_key)
    tls = ["--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem")]
    assert ended(server(tmp_path, "--data-dir", str(tmp_path / "data"), *tls), "key") == 2


def test_plain_http_on_an_open_address_is_refused(tmp_path: Path) -> None:
    options = ["--data-dir", str(tmp_path / "data"), "--behind-proxy", "--listen", "0.0.0.0:0"]
    assert ended(server(tmp_path, *options), "--behind-proxy") == 2


def test_a_join_token_is_good_for_one_worker(installation: Installation, tmp_path: Path) -> None:
    token = installation.admin.json("workers", "token")["token"]
    first = Worker(tmp_path / "first").start(token)
    try:
        again = ["worker", "--join", token, "--data-dir", str(tmp_path / "second")]
        second = Process([*program(), *again], tmp_path, "second", is_warm=True)
        assert ended(second, "token") in {3, 5}
        assert not (tmp_path / "second/key.pem").exists()
    finally:
        first.process.kill()


def test_a_token_that_was_cut_off_is_told_from_a_wrong_one(tmp_path: Path) -> None:
    process = Process(
        [*program(), "worker", "--join", "opsj1.abc", "--data-dir", str(tmp_path / "w")],
        tmp_path,
        "w",
        is_warm=True,
    )
    assert ended(process, "join token") == 2


def test_a_revoked_worker_ends_and_says_why(installation: Installation) -> None:
    worker = installation.worker("short-lived")
    installation.admin.cli("workers", "revoke", "short-lived")
    assert ended(worker.process, "revoked") == 3
    listed = {row["name"]: row for row in installation.admin.json("workers", "list", "--all")}
    assert listed["short-lived"]["state"] == "revoked"


def test_a_full_disk_refuses_what_it_cannot_keep_and_recovers(small_disk: Path) -> None:
    with Installation(small_disk) as installation:
        installation.push(TYPED)
        filler = small_disk / "filler"
        with filler.open("wb") as file:
            while _fills(file):
                pass
        before = installation.admin.json("automations", "list")
        failed = wait_until(lambda: _refused_run(installation), 60, "a trigger to be refused")
        refused(failed, 6, "disk is full")
        filler.unlink()
        kept = installation.admin.json("automations", "list")
        done = installation.admin.json("run", "typed", "--var=count=1")
        assert len(installation.admin.json("automations", "list")) == len(kept) + 1
        assert done["state"] == "queued"
        assert len(kept) >= len(before)


def _fills(file: object) -> bool:
    try:
        os.write(file.fileno(), b"x" * 65536)  # type: ignore[attr-defined]
    except OSError:
        return False
    return True


def _refused_run(installation: Installation) -> subprocess.CompletedProcess[str] | None:
    done = installation.admin.attempt("run", "typed", "--var=count=1")
    return done if done.returncode else None
