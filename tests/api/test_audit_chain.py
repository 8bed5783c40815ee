"""The record in the database.

Chained as it is written, signed soon after, and removed only with a proof of it.
"""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path
from typing import Any

import apsw
import gevent
import msgspec
import pytest

from opsicle.client.audit_export import verify_export
from opsicle.domain.errors import Conflict
from opsicle.security.certificates import WorkerIdentity
from opsicle.server.access.actor import SystemActor
from opsicle.server.audit.checkpoints import SIGN_AFTER, SIGN_AFTER_ENTRIES
from opsicle.server.http.request import WORKER_IDENTITY
from opsicle.server.store import audit, audit_checkpoints
from opsicle.server.store.migrations import STATE_MIGRATIONS, migrate
from opsicle.wire.audit import SeenCheckpoint
from opsicle.wire.worker_api import PollReply
from tests.api.audit_changes import ALICE, GINA, fault, sign, tamper, verdict, write
from tests.api.running_server import ApiServer, Client


def test_every_org_has_a_chain_of_its_own_that_tells_nothing_of_others(
    api_server: ApiServer,
) -> None:
    last = write(api_server, 3)
    write(api_server, 50, GINA)
    assert write(api_server, 1) == last + 1
    assert verdict(api_server).is_intact
    assert verdict(api_server, GINA).is_intact
    export = b"".join(api_server.services.audit.export(api_server.actor(ALICE)))
    assert b"gina" not in export
    assert api_server.actor(GINA).org_id.encode() not in export


def test_what_was_undone_leaves_no_gap(api_server: ApiServer) -> None:
    last, org_id = write(api_server, 1), api_server.actor(ALICE).org_id

    def work(db: Any) -> None:
        audit.append(db, api_server.clock.now(), org_id, SystemActor(), "test", "undone")
        raise Conflict("no")

    with pytest.raises(Conflict):
        api_server.state.write(work)
    assert write(api_server, 1) == last + 1
    assert verdict(api_server).is_intact


def test_many_writers_at_once_make_one_chain(api_server: ApiServer) -> None:
    before = write(api_server, 1)
    gevent.joinall([gevent.spawn(write, api_server, 5) for _ in range(40)], raise_error=True)
    assert verdict(api_server).last_seq == before + 200
    assert verdict(api_server).is_intact


@pytest.fixture(scope="module")
def long_record(tmp_path_factory: pytest.TempPathFactory, prepared_folder: Path) -> Path:
    """Return a server's data folder whose org acme has a signed record of 10,000 entries."""
    folder = tmp_path_factory.mktemp("long") / "data"
    subprocess.run(["cp", "-r", prepared_folder, folder], check=True)
    api_server = ApiServer(folder)
    for _ in range(9):
        write(api_server, 1_000)
        sign(api_server)
    write(api_server, 10_000 - write(api_server, 1))
    sign(api_server)
    api_server.close()
    return folder


@pytest.fixture
def long_record_server(tmp_path: Path, long_record: Path) -> Any:
    subprocess.run(["cp", "-r", long_record, tmp_path / "data"], check=True)
    api_server = ApiServer(tmp_path / "data")
    yield api_server
    api_server.close()


EDIT = "UPDATE audit_entries SET verb = 'never' WHERE org_id = ? AND seq = 4321"
REMOVE = "DELETE FROM audit_entries WHERE org_id = ? AND seq = 4321"
CUT = "DELETE FROM audit_entries WHERE org_id = ? AND seq > 4321"
MOVE = "UPDATE audit_entries SET seq = 10001 WHERE org_id = ? AND seq = 4321"
HASH = "UPDATE audit_entries SET hash = zeroblob(32) WHERE org_id = ? AND seq = 4321"
REWRITE_CHECKPOINT = "UPDATE audit_checkpoints SET hash = 'x' WHERE org_id = ? AND number = 4"
REMOVE_CHECKPOINT = "DELETE FROM audit_checkpoints WHERE org_id = ? AND number = 4"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (EDIT, ("altered", 4321)),
        (HASH, ("altered", 4321)),
        (REMOVE, ("missing", 4321)),
        (CUT, ("cut_off", 4322)),
        (MOVE, ("missing", 4321)),
        (REWRITE_CHECKPOINT, ("checkpoint", 4)),
        (REMOVE_CHECKPOINT, ("checkpoint", 4)),
    ],
    ids=[
        "edited",
        "hash",
        "removed",
        "cut off",
        "moved",
        "checkpoint edited",
        "checkpoint removed",
    ],
)
def test_a_record_of_10000_entries_changed_on_disk_is_named(
    long_record_server: ApiServer, sql: str, expected: tuple[str, int]
) -> None:
    org_id = long_record_server.actor(ALICE).org_id
    assert verdict(long_record_server).is_intact
    assert verdict(long_record_server).last_seq == 10_000
    tamper(long_record_server, sql, org_id)
    found = verdict(long_record_server)
    assert fault(found) == expected
    answer = long_record_server.session(ALICE).get("/api/v1/audit/verify").json
    assert (answer["is_intact"], answer["fault"]["seq"]) == (False, expected[1])
    assert verify_export(
        b"".join(
            long_record_server.services.audit.export(long_record_server.actor(ALICE))
        ).splitlines(),
        None,
    ).fault
    assert verdict(long_record_server, GINA).is_intact


def test_a_record_that_was_cut_off_and_written_on_is_rewritten(api_server: ApiServer) -> None:
    last = write(api_server, 20)
    sign(api_server)
    tamper(
        api_server,
        "DELETE FROM audit_entries WHERE org_id = ? AND seq > ?",
        api_server.actor(ALICE).org_id,
        last - 10,
    )
    write(api_server, 20)
    assert fault(verdict(api_server)) == ("rewritten", 1)


def test_an_export_verifies_with_nothing_but_the_public_key(api_server: ApiServer) -> None:
    write(api_server, 5_000)
    api_server.services.audit_checkpoints.sign_due()
    write(api_server, 10)
    export = b"".join(api_server.services.audit.export(api_server.actor(ALICE))).splitlines(
        keepends=True
    )
    found = verify_export(export, api_server.services.audit.public_key)
    assert found.is_intact
    assert found.signed_to == found.last_seq > 5_010
    assert json.loads(export[0])["fingerprint"] == api_server.services.audit.public_key.fingerprint
    assert (
        api_server.client().get("/api/v1/audit/key").content.decode()
        == api_server.services.audit.public_key.pem
    )


def test_entries_are_signed_when_they_are_many_or_have_waited(api_server: ApiServer) -> None:
    org_id = api_server.actor(ALICE).org_id

    def number() -> int:
        last = api_server.state.read(lambda db: audit_checkpoints.find_last(db, org_id))
        return last.number if last else 0

    turn = api_server.services.audit_checkpoints.sign_due
    turn()
    assert number() == 1
    write(api_server, 1)
    turn()
    assert number() == 1
    api_server.clock.advance(seconds=SIGN_AFTER.total_seconds())
    turn()
    assert number() == 2
    turn()
    api_server.clock.advance(seconds=SIGN_AFTER.total_seconds())
    turn()
    assert number() == 2, "nothing new, nothing to sign"
    write(api_server, SIGN_AFTER_ENTRIES)
    turn()
    assert number() == 3
    assert verdict(api_server).is_intact


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("UPDATE audit_entries SET verb = 'x'", "an audit entry never changes"),
        ("DELETE FROM audit_entries", "removed by retention only"),
        ("UPDATE audit_checkpoints SET seq = 1", "a checkpoint never changes"),
        ("DELETE FROM audit_checkpoints", "removed only where a gap is signed for it"),
    ],
)
def test_the_server_itself_cannot_change_the_record(
    api_server: ApiServer, sql: str, message: str
) -> None:
    sign(api_server)
    with pytest.raises(apsw.ConstraintError, match=message):
        api_server.state.write(lambda db: db.execute(sql))


def test_entries_from_before_the_chain_are_chained_in_their_order(tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.mkdir()
    (first / "0001_initial.sql").write_text((STATE_MIGRATIONS / "0001_initial.sql").read_text())
    migrate(tmp_path / "old.db", first)

    db = apsw.Connection(str(tmp_path / "old.db"))
    for n in range(30):
        db.execute(
            "INSERT INTO audit_entries VALUES (?, ?, ?, 'user', 'u', 'ü', 'cli', '', 'v', ?, '{}')",
            (n + 1, ("acme", "globex", None)[n % 3], "2026-01-01T00:00:00.000000Z", f"things/{n}"),
        )
    db.close()

    assert migrate(tmp_path / "old.db", STATE_MIGRATIONS) >= 1

    db = apsw.Connection(str(tmp_path / "old.db"))
    for place, org_id in enumerate(("acme", "globex", "")):
        rows = list(audit.read_chain(db, org_id, 0))
        assert [row[0] for row in rows] == list(range(1, 11))
        assert [row[8] for row in rows] == [f"things/{n}" for n in range(place, 30, 3)]

    assert db.execute(
        "SELECT count(*) FROM sqlite_schema WHERE name LIKE '%unchained%'"
    ).fetchone() == (0,)
    db.close()


def test_the_key_is_private_and_its_loss_is_noticed(api_server: ApiServer) -> None:
    file = api_server.folder.path / "audit.pem"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (
        api_server.folder.audit_key(has_signed=True).public.pem
        == api_server.services.audit.public_key.pem
    )
    file.unlink()
    with pytest.raises(Conflict, match=r"lost audit\.pem"):
        api_server.folder.audit_key(has_signed=True)


def test_workers_are_shown_the_newest_checkpoint_of_their_org_and_say_what_contradicts_it(
    api_server: ApiServer,
) -> None:
    write(api_server, 3)
    write(api_server, 3, GINA)
    api_server.services.audit_checkpoints.sign_due()

    worker = api_server.worker("acme", "web")
    environ = {WORKER_IDENTITY: WorkerIdentity("acme", worker.worker_id, "1")}
    client = Client(api_server.applications.for_workers, environ=environ)
    poll = {
        "boot_id": "b",
        "version": "1",
        "labels": {},
        "slots": 1,
        "free_slots": 0,
        "runtimes": [],
        "wait_seconds": 0,
    }

    answer = client.post(
        "/worker/v1/poll", {**poll, "history_rewritten": "checkpoint 1 is another"}
    )

    shown = msgspec.msgpack.decode(answer.content, type=PollReply).checkpoint
    org_id = api_server.actor(ALICE).org_id
    assert shown == SeenCheckpoint(
        org_id, api_server.state.read(lambda db: audit_checkpoints.find_last(db, org_id))
    )

    (entry,) = (
        api_server.session(ALICE).get("/api/v1/audit?verb=report_rewritten_history").json["items"]
    )
    assert (entry["actor_kind"], entry["data"]) == ("worker", {"reason": "checkpoint 1 is another"})
