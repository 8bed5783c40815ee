"""The key beside the database by which the server knows what it has bound.

Its first use, its loss, its absence.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsicle.domain.errors import Conflict
from opsicle.domain.manifests import canonical, digest
from opsicle.kit import files
from opsicle.security.binding_key import BindingKey
from opsicle.server.access.template_versions import template_of
from opsicle.server.approvals.binding_upgrade import binder
from opsicle.server.approvals.manifests import rebuild
from opsicle.server.data_folder import DataFolder
from opsicle.server.keys import binding_key_file
from opsicle.server.keys.binding_key_file import open_binding_key
from opsicle.server.store import approvals, audit, automations
from opsicle.server.store.database import Database
from opsicle.wire.user_api import Automation
from tests.services.core import Core
from tests.services.team import Team, template_source

PLAIN = template_source("plain").replace("  approvalPolicy: {policyRef: p}\n", "")
WITHOUT_TRIGGERS = """
    DROP TRIGGER IF EXISTS automations_stay_bound;
    DROP TRIGGER IF EXISTS automations_stay_authentic;
    DROP TRIGGER IF EXISTS approval_decisions_stay_authentic;
    DROP TRIGGER IF EXISTS audit_entries_are_immutable;
"""


class UpgradedServer:
    """The team and its data folder, which an older version has used until now."""

    def __init__(self, path: Path) -> None:
        path.mkdir()
        (path / "lock").touch()
        self.folder = DataFolder.open(path)
        self.team = Team(Core(path))
        self.team.core.push(self.team.people["alice"], template_source("careful"))
        self.team.core.push(self.team.people["alice"], PLAIN)
        self.team.policy()

    @property
    def database(self) -> Database:
        return self.team.core.database

    def open_key(self) -> BindingKey:
        return open_binding_key(
            self.folder, self.database, binder(self.database, self.team.core.clock)
        )

    def start(self) -> None:
        """Start the server in this version, with whatever key it finds or makes."""
        self.team.core.binding_key = self.open_key()
        self.team.restart()

    def make_older(self, *asked: Automation) -> None:
        """Let these be as the version before has left them.

        In format 1, without a code, nobody behind.
        """
        self.team.tamper(WITHOUT_TRIGGERS)
        self.team.tamper("UPDATE audit_entries SET data = json_remove(data, '$.codes')")
        for each in asked:
            self._make_older(each.id)

    def _make_older(self, automation_id: str) -> None:
        def work(db: object) -> None:
            row = automations.get(db, self.team.org_id, automation_id)
            approval = approvals.find_of_automation(db, automation_id)
            manifest = rebuild(db, row, template_of(db, row.template_id, row.version), approval)

            written = digest(canonical(manifest.in_format(1)))

            db.execute(
                """
                UPDATE automations
                   SET manifest_digest = ?, manifest_format = 1, mac = '', principal_id = ''
                 WHERE id = ?
                """,
                (written, automation_id),
            )
            db.execute(
                "UPDATE approvals SET manifest_digest = ? WHERE automation_id = ?",
                (written, automation_id),
            )
            db.execute("UPDATE approval_decisions SET mac = ''")

        self.database.write(work)

    def ran(self) -> set[str]:
        """Return what a worker is handed now."""
        worker = self.team.core.worker(
            self.team.org_id, f"w{self.team.core.clock.monotonic()}", slots=99
        )
        self.team.core.clock.advance(1)
        return {work.automation_id for work in worker.poll().work}

    def bound_entries(self) -> dict[str, dict[str, object]]:
        wanted = audit.AuditFilter(verb="bind")
        rows = self.database.read(
            lambda db: audit.list_entries(db, self.team.org_id, wanted, 10**9, 99)
        )
        return {row.resource: json.loads(row.data) for row in rows}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[UpgradedServer]:
    server = UpgradedServer(tmp_path / "data")
    yield server
    server.team.core.close()
    server.folder.close()


def waiting(team: Team) -> tuple[Automation, Automation, Automation]:
    """Return one that waits for a worker, one that was approved, and one that waits for that."""
    plain, approved, awaiting = (
        team.core.run(team.people["alice"], "plain"),
        team.ask(),
        team.ask(),
    )
    team.approve("bob", approved)
    return plain, approved, awaiting


def test_what_an_older_version_left_waiting_is_bound_once_and_runs(server: UpgradedServer) -> None:
    plain, approved, awaiting = waiting(server.team)
    server.make_older(plain, approved, awaiting)

    server.start()
    assert server.ran() == {plain.id, approved.id}
    server.team.approve("bob", awaiting)

    assert server.ran() == {awaiting.id}
    entries = server.bound_entries()
    assert entries.keys() == {f"automations/{each.id}" for each in (plain, approved, awaiting)}
    assert [
        len(entries[f"automations/{each.id}"]["decisions"]) for each in (plain, approved, awaiting)
    ] == [0, 1, 0]


def test_what_is_made_to_look_older_after_that_does_not_run(server: UpgradedServer) -> None:
    server.start()
    asked = waiting(server.team)

    server.make_older(*asked)
    server.team.tamper("UPDATE approvals SET policy = json_set(policy, '$.gates', json('[]'))")
    server.start()

    assert server.ran() == set()
    assert server.bound_entries() == {}
    assert {server.team.state(each) for each in asked[:2]} == {"cancelled"}


def test_what_is_not_as_the_older_version_bound_it_is_not_bound_anew(
    server: UpgradedServer,
) -> None:
    plain, approved, awaiting = waiting(server.team)
    server.make_older(plain, approved, awaiting)
    server.team.tamper("UPDATE automations SET reason = 'other'")

    server.start()

    assert server.ran() == set()
    assert server.bound_entries() == {}
    with pytest.raises(Conflict, match="was altered"):
        server.team.approve("bob", awaiting)
    assert {server.team.state(each) for each in (plain, approved, awaiting)} == {"cancelled"}


def test_a_first_start_that_was_cut_short_is_carried_on(
    server: UpgradedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, approved, awaiting = waiting(server.team)
    server.make_older(plain, approved, awaiting)

    def cut_short(folder: Path) -> None:
        raise OSError("the power went")

    with monkeypatch.context() as patched:
        patched.setattr(files, "sync_folder", cut_short)
        with pytest.raises(Exception, match="the power went"):
            server.open_key()
    server.start()

    assert server.ran() == {plain.id, approved.id}
    assert len(server.bound_entries()) == 3


def test_a_first_start_that_was_cut_short_between_two_batches_is_carried_on(
    server: UpgradedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [server.team.core.run(server.team.people["alice"], "plain") for _ in range(5)]
    server.make_older(*asked)
    monkeypatch.setattr("opsicle.server.approvals.binding_upgrade._AT_ONCE", 2)
    real, calls = automations.list_without_mac, []

    def list_without_mac(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == 2:
            raise RuntimeError("the power went")
        return real(*arguments)

    monkeypatch.setattr(automations, "list_without_mac", list_without_mac)
    with pytest.raises(RuntimeError, match="the power went"):
        server.open_key()
    assert not (server.folder.path / binding_key_file.FILE_NAME).exists()
    server.start()

    assert server.ran() == {each.id for each in asked}


def test_the_key_is_the_servers_alone_and_stays(server: UpgradedServer) -> None:
    key = server.open_key()
    path = server.folder.path / binding_key_file.FILE_NAME

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert server.open_key().content == key.content == path.read_bytes()

    stored = b"".join(each.read_bytes() for each in server.folder.path.glob("opsicle.db*"))
    assert key.content not in stored
    assert key.content.hex().encode() not in stored


def test_a_lost_key_is_no_reason_to_believe_the_database(server: UpgradedServer) -> None:
    server.open_key()
    (server.folder.path / binding_key_file.FILE_NAME).unlink()

    with pytest.raises(Conflict, match=r"has lost binding\.key") as refusal:
        server.open_key()
    assert "--accept-restored" in refusal.value.hint


@pytest.mark.parametrize("is_lost", [True, False], ids=["lost", "another database's"])
def test_without_its_key_a_server_can_be_told_to_go_on_and_runs_nothing_that_waited(
    server: UpgradedServer, is_lost: bool
) -> None:
    server.start()
    plain, approved, awaiting = waiting(server.team)
    path = server.folder.path / binding_key_file.FILE_NAME
    path.unlink() if is_lost else path.write_bytes(BindingKey.create().content)

    server.team.core.binding_key = open_binding_key(
        server.folder,
        server.database,
        binder(server.database, server.team.core.clock),
        accept_restored=True,
    )
    server.start()

    assert server.ran() == set()
    with pytest.raises(Conflict, match="was altered"):
        server.team.approve("bob", awaiting)
    assert {server.team.state(each) for each in (plain, approved, awaiting)} == {"cancelled"}
    later = server.team.core.run(server.team.people["alice"], "plain")
    assert server.ran() == {later.id}


def test_another_databases_key_is_refused(server: UpgradedServer) -> None:
    server.open_key()
    (server.folder.path / binding_key_file.FILE_NAME).write_bytes(BindingKey.create().content)

    with pytest.raises(Conflict, match="not the key of this database"):
        server.open_key()


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33])
def test_a_damaged_key_is_refused(server: UpgradedServer, content: bytes) -> None:
    server.open_key()
    (server.folder.path / binding_key_file.FILE_NAME).write_bytes(content)

    with pytest.raises(Conflict, match="damaged"):
        server.open_key()
