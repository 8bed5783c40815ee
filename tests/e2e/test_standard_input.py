"""Tokens, passwords and documents from files and standard input.

What stands in a command line, others can read.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import is_checkout
from tests.product import PASSWORD, Installation, Process, Server, User, clean_environment, program
from tests.support import wait_until
from tests.warm_cli import warm_cli

pytestmark = pytest.mark.e2e

TEMPLATE = """\
apiVersion: v1
type: AutomationTemplate
metadata: {name: hello}
spec:
  variables: [{id: who, type: string}]
  template:
    phases:
      - {name: greet, commands: ['echo hello "$OPSICLE_VAR_WHO"']}
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("stdin")) as installation:
        yield installation


def fed(
    user: User, text: str, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command with this on its standard input; where that is nothing, by a warm process."""
    given = clean_environment({**user.environment, **environment})
    if not text and is_checkout() and (warm := warm_cli(())).suits(given):
        return warm.run(arguments, given, 120)
    return subprocess.run(
        [*program(), *arguments],
        input=text,
        capture_output=True,
        text=True,
        env=given,
        timeout=120,
        check=False,
    )


def good(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("start", "end"), [("", ""), ("", "\n"), ("", "\r\n"), (" ", "  \n"), ("\ufeff", "\n")]
)
def test_a_worker_enrols_with_a_token_from_a_file(
    here: Installation, tmp_path: Path, start: str, end: str
) -> None:
    token = here.admin.json("workers", "token")["token"]
    (tmp_path / "token").write_text(start + token + end, encoding="utf-8")
    arguments = [
        "worker",
        "--join-file",
        str(tmp_path / "token"),
        "--data-dir",
        str(tmp_path / "w"),
    ]
    worker = Process([*program(), *arguments], tmp_path, "worker", is_warm=True)
    try:
        worker.wait_for("opsicle worker ready")
        assert token not in Path(f"/proc/{worker.pid}/cmdline").read_text()
    finally:
        worker.stop()


def test_a_worker_enrols_with_a_token_from_standard_input_and_from_the_environment(
    here: Installation, tmp_path: Path
) -> None:
    for name, environment in (
        ("stdin", {}),
        ("file", {"OPSICLE_WORKER_JOIN_FILE": str(tmp_path / "token")}),
    ):
        token = here.admin.json("workers", "token")["token"]
        (tmp_path / "token").write_text(token)
        options = ["--join-file", "-"] if name == "stdin" else []
        command = [*program(), "worker", *options, "--data-dir", str(tmp_path / name)]
        with (tmp_path / "token").open("rb") as given, (tmp_path / f"{name}.out").open("wb") as out:
            worker = subprocess.Popen(
                command, stdin=given, stdout=out, stderr=out, env=clean_environment(environment)
            )
        try:
            wait_for_text(tmp_path / f"{name}.out", "opsicle worker ready", worker)
        finally:
            worker.terminate()
            assert worker.wait(60) == 0


def wait_for_text(path: Path, text: str, process: subprocess.Popen[bytes]) -> None:
    wait_until(lambda: text in path.read_text() or process.poll() is not None, 60, what=text)
    assert process.poll() is None, path.read_text()


@pytest.mark.parametrize("token_from", ["file", "stdin"])
def test_a_server_is_set_up_with_a_token_from_a_file(tmp_path: Path, token_from: str) -> None:
    server = Server(tmp_path / "server").start()
    alice = User(tmp_path / "alice", "alice@example.com")
    path = tmp_path / "server/data/setup-token"
    given, source = ("", str(path)) if token_from == "file" else (path.read_text(), "-")
    first = ["setup", "--server", server.url, "--org", "acme", "--email", alice.email]
    try:
        twice = fed(alice, path.read_text(), *first, "--token-file", "-", "--password-file", "-")
        assert (twice.returncode, "read once" in twice.stderr) == (2, True), twice.stderr
        both = fed(alice, "", *first, "--token-file", str(path), "--token", "opst1.x")
        assert both.returncode == 2

        good(
            fed(
                alice,
                given,
                *first,
                "--token-file",
                source,
                "--password-file",
                str(alice.password_file),
            )
        )
        good(
            fed(
                alice,
                PASSWORD,
                "login",
                "--server",
                server.url,
                "--email",
                alice.email,
                "--password-file",
                "-",
            )
        )
    finally:
        server.process.stop()


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", " {} ", "\n{}"])
def test_white_space_around_what_comes_from_the_environment_means_nothing(
    here: Installation, around: str
) -> None:
    access = here.access()
    anonymous = User(here.folder / "stranger", "x@example.com")
    ca_file, fingerprint = here.folder / "server/data/ca.pem", here.server.facts["ca_fingerprint"]
    for trust in ({"OPSICLE_CA_FILE": str(ca_file)}, {"OPSICLE_CA_FINGERPRINT": fingerprint}):
        given = {"OPSICLE_SERVER": here.server.url, "OPSICLE_TOKEN": access.token, **trust}
        done = fed(
            anonymous,
            "",
            "whoami",
            **{name: around.format(value) for name, value in given.items()},
        )
        assert "alice@example.com" in good(done)


def test_an_api_token_comes_from_a_file_and_a_torn_one_is_said(
    here: Installation, tmp_path: Path
) -> None:
    access = here.access()
    anonymous = User(tmp_path / "stranger", "x@example.com")
    given = {
        "OPSICLE_SERVER": here.server.url,
        "OPSICLE_CA_FILE": str(here.folder / "server/data/ca.pem"),
    }
    (tmp_path / "token").write_text(f"{access.token}\n")

    assert "alice@" in good(
        fed(anonymous, "", "whoami", OPSICLE_TOKEN_FILE=str(tmp_path / "token"), **given)
    )
    torn = fed(
        anonymous, "", "whoami", OPSICLE_TOKEN=f"{access.token[:9]} {access.token[9:]}", **given
    )
    assert torn.returncode == 3
    assert "white space" in torn.stderr
    absent = fed(anonymous, "", "whoami", OPSICLE_TOKEN_FILE=str(tmp_path / "nothing"), **given)
    assert absent.returncode == 2


def test_a_dash_is_standard_input_wherever_a_file_is_taken(
    here: Installation, tmp_path: Path
) -> None:
    admin = here.admin
    assert "is valid" in good(fed(admin, TEMPLATE, "templates", "validate", "-"))
    assert "pushed" in good(fed(admin, TEMPLATE, "templates", "push", "-"))
    assert "hello stdin" in good(fed(admin, TEMPLATE, "run", "-", "--var", "who=stdin"))
    (tmp_path / "hello.yaml").write_text(TEMPLATE)
    assert "hello file" in good(
        fed(admin, "who: file\n", "run", str(tmp_path / "hello.yaml"), "--var-file", "-")
    )
    good(fed(admin, "a-secret-value\n", "secrets", "create", "db", "--value-file", "-"))
    key = admin.cli("audit", "key")
    admin.cli("audit", "export", str(tmp_path / "record.jsonl"))
    assert "intact" in good(
        fed(admin, key, "audit", "verify", str(tmp_path / "record.jsonl"), "--public-key", "-")
    )
    record = (tmp_path / "record.jsonl").read_text()
    assert "intact" in good(fed(admin, record, "audit", "verify", "-"))
    assert fed(admin, record, "audit", "verify", "-", "--public-key", "-").returncode == 2
    assert fed(admin, TEMPLATE, "templates", "validate", "-", "-").returncode == 2
    webhook = [
        "channels",
        "create",
        "hooks",
        "--kind",
        "webhook",
        "--set",
        "url=https://hooks.example.com/",
    ]
    ca = (here.folder / "server/data/ca.pem").read_text()
    (tmp_path / "key").write_text("0123456789abcdef0123456789abcdef")
    good(fed(admin, ca, *webhook, "--ca-file", "-", "--credential-file", str(tmp_path / "key")))


def test_one_time_links_come_from_standard_input_too(here: Installation, tmp_path: Path) -> None:
    carol = User(tmp_path / "carol", "carol@example.com")
    trust = [
        "--password-file",
        str(carol.password_file),
        "--ca-fingerprint",
        here.server.facts["ca_fingerprint"],
    ]
    invited = here.admin.json("users", "invite", "--email", carol.email, "--role", "operator")

    good(fed(carol, invited["url"] + "\n", "accept", "-", *trust))
    assert carol.json("whoami")["user"]["email"] == carol.email

    link = here.admin.json("users", "reset", carol.email)["url"]
    good(fed(carol, f" {link}\r\n", "reset", "-", *trust))
