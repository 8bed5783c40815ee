"""Proof of identity on the command line, against a real server."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from pathlib import Path

from opsicle.security import totp
from tests.api.terminal import at_a_terminal
from tests.product import PASSWORD, Installation, User


def enrol(user: User) -> list[str]:
    """Enrol an app; the recovery codes are all that the rest of a test needs."""
    seed = base64.b32decode(user.json("totp", "enrol")["secret"])
    code = totp.code(seed, totp.step_of(datetime.now(UTC)))
    return list(user.json("totp", "confirm", "--totp", code)["codes"])


def log_in(user: User, server_url: str, *more: str) -> tuple[int, str]:
    """Return the exit code of a login, and the code of its error."""
    arguments = ("-o", "json", "login", "--server", server_url, "--email", user.email)
    done = user.attempt(*arguments, "--password-file", str(user.password_file), *more)
    return done.returncode, "" if done.returncode == 0 else json.loads(
        done.stderr.splitlines()[-1]
    )["code"]


def test_a_login_takes_a_code_and_without_a_terminal_says_that_it_needs_one(
    installation: Installation,
) -> None:
    bob, url = installation.person("bob@example.com", "member"), installation.server.url
    codes = enrol(bob)
    assert log_in(bob, url) == (3, "totp_required")
    assert log_in(bob, url, "--totp", "000000000") == (3, "not_authenticated")
    assert log_in(bob, url, "--totp", codes[0]) == (0, "")
    assert log_in(bob, url, "--totp", codes[0]) == (3, "not_authenticated")
    assert bob.json("totp", "show")["recovery_codes_left"] == 9
    assert bob.json("totp", "disable", "--totp", codes[1]) == {"is_enrolled": False}
    assert log_in(bob, url) == (0, "")


def test_at_a_terminal_the_qr_code_is_drawn_and_codes_are_asked_for(
    installation: Installation,
) -> None:
    frank = installation.person("frank@example.com", "member")

    def app_code(shown: str) -> str:
        found = re.search(r"type this secret into it: ([A-Z2-7]{32})", shown)
        assert found, shown
        return totp.code(base64.b32decode(found[1]), totp.step_of(datetime.now(UTC)))

    code, shown = at_a_terminal(
        frank, "totp", "enrol", answers=[("Code that the app shows", app_code)]
    )
    assert code == 0, shown
    assert "▀" in shown
    codes = re.findall(r"(?:[2-9a-z]{4}-){3}[2-9a-z]{4}", shown)
    assert len(codes) == totp.RECOVERY_CODES
    answers = [("Password", PASSWORD), ("Code of your authenticator app", codes[0])]
    login = ("login", "--server", installation.server.url, "--email", frank.email)
    code, shown = at_a_terminal(frank, *login, answers=answers)
    assert code == 0, shown


def test_a_change_that_needs_a_fresh_code_takes_it_from_an_option(
    installation: Installation, tmp_path: Path
) -> None:
    carol = installation.person("carol@example.com", "admin")
    other = User(tmp_path / "elsewhere", carol.email)
    other.login(installation.server)
    codes = enrol(other)
    refused = carol.attempt("tokens", "create", "--name", "x")
    assert refused.returncode == 3
    assert "--totp" in refused.stderr
    assert carol.attempt("tokens", "create", "--name", "x", "--totp", "000").returncode == 2
    assert carol.json("tokens", "create", "--name", "x", "--totp", codes[0])["token"].startswith(
        "opsu_"
    )
    assert (
        carol.attempt("users", "delete", carol.email, "--totp", "not even looked at").returncode
        == 0
    )


def test_sessions_are_listed_and_revoked(installation: Installation, tmp_path: Path) -> None:
    dave = installation.person("dave@example.com", "member")
    other = User(tmp_path / "elsewhere", dave.email)
    other.login(installation.server)
    newest, oldest = dave.json("sessions", "list")
    assert (newest["is_current"], oldest["is_current"]) == (False, True)
    dave.json("sessions", "revoke", newest["id"])
    assert (other.attempt("whoami").returncode, dave.attempt("whoami").returncode) == (3, 0)
    installation.admin.json("users", "logout", dave.email)
    assert dave.attempt("whoami").returncode == 3


def test_a_password_is_changed_and_reset_by_a_link(
    installation: Installation, tmp_path: Path
) -> None:
    erin, url = installation.person("erin@example.com", "member"), installation.server.url
    new = tmp_path / "new"
    new.write_text(f"{PASSWORD} and more")
    options = ("--password-file", str(erin.password_file), "--new-password-file", str(new))
    assert erin.json("users", "password", *options) == {"is_changed": True}
    assert log_in(erin, url) == (3, "not_authenticated")
    link = installation.admin.json("users", "reset", erin.email)["url"]
    assert link.startswith(f"{url}/reset#token=opsr_")
    assert erin.json("reset", link, "--password-file", str(erin.password_file)) == {
        "server": url,
        "is_reset": True,
    }
    assert log_in(erin, url) == (0, "")
    spent = erin.attempt("reset", link, "--password-file", str(new))
    assert spent.returncode == 3


CODED = """\
apiVersion: v1
type: AutomationTemplate
metadata: {name: coded}
spec:
  requireMfa: true
  template: {phases: [{name: go, commands: [echo done]}]}
"""


def test_a_template_that_asks_for_a_code_takes_it_from_an_option_and_as_a_file_asks_for_none(
    installation: Installation, tmp_path: Path
) -> None:
    installation.push(CODED)
    shown = installation.admin.json("templates", "show", "coded")
    assert shown["needs_mfa"] is True

    ruth = installation.person("ruth@example.com", "member")

    refused = ruth.attempt("run", "coded")
    assert refused.returncode == 5
    assert "opsicle totp enrol" in refused.stderr

    elsewhere = User(tmp_path / "elsewhere", ruth.email)
    elsewhere.login(installation.server)
    codes = enrol(elsewhere)

    refused = ruth.attempt("run", "coded")
    assert refused.returncode == 3
    assert "--totp" in refused.stderr

    made = ruth.json("run", "coded", "--totp", codes[0])
    assert (
        ruth.json("automations", "rerun", made["id"], "--totp", "not even looked at")["rerun_of"]
        == made["id"]
    )

    file = tmp_path / "coded.yaml"
    file.write_text(CODED)
    assert ruth.attempt("run", str(file)).returncode == 0
    assert ruth.attempt("run", str(file), "--totp", codes[1]).returncode == 2
