"""`opsicle audit` against a real server, and without one."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.test_client_commands import TEMPLATE
from tests.product import Installation, User


@pytest.fixture(scope="module")
def alice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    """Return the admin of a server, logged in."""
    with Installation(tmp_path_factory.mktemp("audit")) as installation:
        installation.push(TEMPLATE.replace("NAME", "hello"))
        yield installation.admin


def test_the_record_is_exported_and_verified_with_and_without_a_server(
    alice: User, tmp_path: Path
) -> None:
    export, key = tmp_path / "acme.jsonl", tmp_path / "key.pem"
    alice.cli("audit", "export", str(export))
    key.write_text(alice.cli("audit", "key"))
    assert stat.S_IMODE(export.stat().st_mode) == 0o600
    online = alice.json("audit", "verify")
    anonymous = User(tmp_path, "nobody@example.com")
    offline = anonymous.json("audit", "verify", str(export), "--public-key", str(key))
    assert online["is_intact"]
    assert offline["is_intact"]
    assert offline["entries"] <= online["entries"]
    assert offline["fingerprint"] == online["fingerprint"]
    assert alice.cli("audit", "export", "-").startswith('{"type":"header"')


def test_an_altered_export_is_named_and_the_exit_code_says_so(alice: User, tmp_path: Path) -> None:
    export = tmp_path / "acme.jsonl"
    alice.cli("audit", "export", str(export))
    export.write_text(export.read_text().replace('"verb":"login"', '"verb":"never"', 1))
    done = alice.attempt("audit", "verify", str(export))
    assert done.returncode == 1
    assert "NOT INTACT: entry " in done.stdout
    assert "was altered" in done.stdout
    as_json = alice.attempt("-o", "json", "audit", "verify", str(export))
    assert as_json.returncode == 1
    assert json.loads(as_json.stdout)["fault"]["kind"] == "altered"


def test_a_file_that_is_no_export_or_no_key_is_wrong_input(alice: User, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("something\n")
    assert alice.attempt("audit", "verify", str(other)).returncode == 2
    assert alice.attempt("audit", "verify", "--public-key", str(other)).returncode == 2
    export = tmp_path / "acme.jsonl"
    alice.cli("audit", "export", str(export))
    assert alice.attempt("audit", "verify", str(export), "--public-key", str(other)).returncode == 2


def test_the_record_is_filtered(alice: User) -> None:
    assert {entry["verb"] for entry in alice.json("audit", "list", "--verb", "push")} == {"push"}
    assert (
        alice.json("audit", "list", "--resource", "templates/hello", "--until", "2020-01-01") == []
    )
    assert alice.json(
        "audit", "list", "--actor", "alice@example.com", "--resource", "templates", "--limit", "1"
    )
