"""Who one is to the command line: log in, trust a CA, profiles, tokens."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.api.terminal import at_a_terminal
from tests.product import PASSWORD, Installation, User


@pytest.fixture
def alice(installation: Installation) -> User:
    """Return the admin, logged in."""
    return installation.admin


def test_a_session_is_readable_by_its_owner_alone(alice: User) -> None:
    folder = Path(alice.environment["OPSICLE_CONFIG_DIR"]) / "sessions"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "default.json").stat().st_mode) == 0o600


def test_whoami_says_who_and_where(alice: User, installation: Installation) -> None:
    me = alice.json("whoami")
    assert me["user"]["email"] == "alice@example.com"
    assert me["org"]["code"] == "acme"
    assert me["role"] == "admin"
    assert me["server"] == installation.server.url


def test_an_unknown_ca_is_never_accepted_silently(
    installation: Installation, tmp_path: Path
) -> None:
    eve = User(tmp_path, "alice@example.com")
    done = eve.attempt(
        "login",
        "--server",
        installation.server.url,
        "--email",
        eve.email,
        "--password-file",
        str(eve.password_file),
    )
    assert done.returncode == 2
    assert "--ca-fingerprint" in done.stderr
    assert eve.attempt("whoami").returncode == 3


def test_a_wrong_fingerprint_is_refused_before_the_password_is_sent(
    installation: Installation, tmp_path: Path
) -> None:
    user = User(tmp_path, "alice@example.com")
    done = user.attempt(
        "login", "--server", installation.server.url, "--email", user.email,
        "--password-file", str(user.password_file), "--ca-fingerprint", "sha256:" + "0" * 64,
    )  # fmt: skip
    assert done.returncode == 6
    assert "fingerprint" in done.stderr


def test_a_wrong_password_is_refused(installation: Installation, tmp_path: Path) -> None:
    user = User(tmp_path, "nobody@example.com")
    done = user.attempt(
        "login", "--server", installation.server.url, "--email", user.email,
        "--password-file", str(user.password_file),
        "--ca-fingerprint", installation.server.facts["ca_fingerprint"],
    )  # fmt: skip
    assert done.returncode == 3


def test_logging_out_ends_the_session_and_keeps_the_trust(installation: Installation) -> None:
    bob = installation.person("bob@example.com", "operator")
    bob.cli("logout")
    assert bob.attempt("whoami").returncode == 3
    bob.cli("login", "--email", bob.email, "--password-file", str(bob.password_file))
    assert bob.json("whoami")["role"] == "operator"


def test_profiles_are_sessions_of_their_own(installation: Installation, alice: User) -> None:
    assert alice.attempt("--profile", "other", "whoami").returncode == 3
    assert alice.attempt("--profile", "../x", "whoami").returncode == 2


def test_a_token_in_the_environment_replaces_the_login(
    installation: Installation, alice: User, tmp_path: Path
) -> None:
    token = alice.json("tokens", "create", "--name", "ci")
    robot = User(tmp_path, "robot@example.com")
    robot.environment |= {
        "OPSICLE_SERVER": installation.server.url,
        "OPSICLE_TOKEN": token["token"],
    }
    assert robot.attempt("whoami").returncode == 6
    robot.environment["OPSICLE_CA_FINGERPRINT"] = installation.server.facts["ca_fingerprint"]
    assert robot.json("whoami")["user"]["email"] == "alice@example.com"
    del robot.environment["OPSICLE_CA_FINGERPRINT"]
    robot.environment["OPSICLE_CA_FILE"] = str(installation.server.folder / "data/ca.pem")
    assert robot.json("whoami")["user"]["email"] == "alice@example.com"
    alice.cli("tokens", "delete", token["details"]["id"])
    assert robot.attempt("whoami").returncode == 3
    del robot.environment["OPSICLE_SERVER"]
    assert robot.attempt("whoami").returncode == 2


def test_a_server_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    user = User(tmp_path, "a@example.com")
    user.environment |= {"OPSICLE_SERVER": "https://127.0.0.1:1", "OPSICLE_TOKEN": "opsu_x"}
    done = user.attempt("automations", "list")
    assert done.returncode == 6
    assert "refuses the connection" in done.stderr
    error = json.loads(user.attempt("-o", "json", "automations", "list").stderr)
    assert error["code"] == "unreachable"


def test_at_a_terminal_the_ca_is_shown_and_the_password_hidden(
    installation: Installation, tmp_path: Path
) -> None:
    user = User(tmp_path, "alice@example.com")
    code, shown = at_a_terminal(
        user, "login", "--server", installation.server.url, "--email", user.email,
        answers=[("Are they the same?", "y"), ("Password", PASSWORD)],
    )  # fmt: skip
    assert code == 0, shown
    assert installation.server.facts["ca_fingerprint"] in shown
    assert PASSWORD not in shown
    assert user.json("whoami")["user"]["email"] == user.email


def test_at_a_terminal_a_refused_ca_gets_no_password(
    installation: Installation, tmp_path: Path
) -> None:
    user = User(tmp_path, "alice@example.com")
    code, shown = at_a_terminal(
        user,
        "login",
        "--server",
        installation.server.url,
        "--email",
        user.email,
        answers=[("Are they the same?", "n")],
    )
    assert code == 3, shown
    assert "nothing was sent" in shown
