"""Targets on the command line: made of their parts, changed, imported, deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsicle.domain.ssh_host_keys import fingerprint
from tests.product import Installation
from tests.services.targeting import HOST_KEY

pytestmark = pytest.mark.e2e


@pytest.fixture
def known_hosts(tmp_path: Path) -> Path:
    """Return a file that knows the key of one host, at port 2222."""
    path = tmp_path / "known_hosts"
    path.write_text(f"other {HOST_KEY[:-4]}\n[db1.example.com]:2222 {HOST_KEY} comment\n")
    return path


def test_a_target_is_made_and_changed_of_its_parts(
    installation: Installation, known_hosts: Path
) -> None:
    admin = installation.admin
    new = ("db1", "--host", "db1.example.com", "--user", "dba", "--secret", "db-key")

    without = admin.attempt("targets", "create", *new, "--known-hosts", str(known_hosts))
    made = admin.json(
        "targets", "create", *new, "--port", "2222", "--known-hosts", str(known_hosts),
        "--label", "role=db", "--worker-label", "site=ams", "--where", "!old",
    )  # fmt: skip
    again = admin.attempt("targets", "create", *new, "--host-key", HOST_KEY)
    admin.json("targets", "update", "db1", "--label", "role=standby", "--description", "a: 'b'")

    assert (without.returncode, "has no key of db1.example.com" in without.stderr) == (2, True)
    assert (made["version"], again.returncode) == (1, 5)
    assert "there is a target db1 already" in again.stderr
    shown = admin.json("targets", "show", "db1")
    assert shown["host_keys"] == [{"key": HOST_KEY, "fingerprint": fingerprint(HOST_KEY)}]
    assert (shown["labels"], shown["runs_on"]) == ({"role": "standby"}, {"site": "ams"})
    assert (shown["runs_on_where"], shown["description"]) == ("!old", "a: 'b'")
    assert [each["version"] for each in admin.json("targets", "versions", "db1")] == [2, 1]

    both = admin.attempt("targets", "update", "db1", "--no-labels", "--label", "a=b")
    admin.json("targets", "update", "db1", "--no-labels", "--no-worker-labels", "--where", "")

    assert "--label and --no-labels exclude each other" in both.stderr
    bare = admin.json("targets", "show", "db1")
    assert (bare["labels"], bare["runs_on"], bare["runs_on_where"]) == ({}, {}, "")
    assert bare["description"] == "a: 'b'"


def test_an_import_makes_documents_that_can_be_pushed_and_writes_over_none(
    installation: Installation, known_hosts: Path, tmp_path: Path
) -> None:
    admin, folder, inventory = installation.admin, tmp_path / "made", tmp_path / "hosts.ini"
    inventory.write_text("[db]\ndb1.example.com:2222\n[old]\ndb2 ansible_connection=local\n")
    given = ("targets", "import", "ansible", str(inventory), "-o", str(folder), "--user", "dba")

    done = admin.json(*given, "--known-hosts", str(known_hosts))
    again = admin.attempt(*given)

    assert [(each["name"], each["to_fill"]) for each in done["targets"]] == [
        ("db1-example-com", [])
    ]
    assert [each["about"] for each in done["remarks"]] == ["db2", "db1-example-com"]
    assert (again.returncode, "nothing was written" in again.stderr) == (5, True)
    assert admin.json("targets", "push", str(folder / "db1-example-com.yaml"))["is_new"]
    assert admin.json("targets", "show", "db1-example-com")["host_keys"][0]["key"] == HOST_KEY


def test_the_source_that_is_shown_is_what_was_pushed_until_the_target_is_deleted(
    installation: Installation, tmp_path: Path
) -> None:
    admin, source = installation.admin, tmp_path / "web9.yaml"
    parts = ("--host", "web9", "--user", "deploy", "--secret", "web-key", "--host-key", HOST_KEY)
    admin.json("targets", "create", "web9", *parts)

    source.write_text(admin.cli("targets", "show", "web9", "--source"))
    pushed = admin.json("targets", "push", str(source))
    admin.cli("targets", "delete", "web9")

    assert pushed["is_new"] is False
    assert admin.attempt("targets", "show", "web9").returncode == 4
