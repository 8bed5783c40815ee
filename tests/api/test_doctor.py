"""What doctor finds in a data folder, and what a check of an upgrade says of an older one."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

from opsicle.domain.errors import Conflict, InvalidInput
from opsicle.domain.template_parser import parse_policy
from opsicle.kit.clock import SystemClock
from opsicle.server import upgrade_check
from opsicle.server.data_folder import LAST_BACKUP, DataFolder
from opsicle.server.doctor import machine_checks
from opsicle.server.doctor.findings import Level
from opsicle.server.doctor.folder_checks import examine
from opsicle.server.doctor.machine_checks import file_system_of
from opsicle.server.last_backup import LateBackupRemark
from opsicle.server.opening import open_keys, open_state
from opsicle.server.store import epochs, migrations
from opsicle.server.store.documents import DocumentKind
from opsicle.server.store.integrity import check_integrity
from opsicle.server.upgrade_check import check_upgrade
from tests.api.running_server import ADMINS, ApiServer

NOW = SystemClock().now
TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: greet}
spec: {template: {phases: [{name: greet, commands: [echo hello]}]}}
"""


@pytest.fixture
def tmp_path(disk_path: Path) -> Path:
    """Return a folder on a disk: `opsicle doctor` minds one in memory."""
    return disk_path


@pytest.fixture
def data(prepared_folder: Path, tmp_path: Path) -> Path:
    """Return the folder of a server that was backed up a moment ago."""
    shutil.copytree(prepared_folder, tmp_path / "data")
    (tmp_path / "data" / LAST_BACKUP).write_text("{}")
    return tmp_path / "data"


def problems(data: Path, level: Level = Level.PROBLEM, ahead: timedelta = timedelta()) -> list[str]:
    findings = examine(data, NOW() + ahead)
    assert all(each.hint for each in findings if each.level != Level.OK)
    return [f"{each.check}: {each.message}" for each in findings if each.level == level]


def change(data: Path, sql: str) -> None:
    with closing(apsw.Connection(str(data / "opsicle.db"))) as db:
        db.execute(sql)


def test_a_folder_in_which_nothing_is_wrong_has_no_problem(data: Path) -> None:
    assert problems(data) == []
    assert "server: does not run" in problems(data, Level.WARNING)


def _open_key(data: Path) -> None:
    (data / "master.key").chmod(0o640)


def _open_folder(data: Path) -> None:
    data.chmod(0o750)


def _old_backup(data: Path) -> None:
    os.utime(data / LAST_BACKUP, (0, 0))


def _no_backup(data: Path) -> None:
    (data / LAST_BACKUP).unlink()


def _newer_schema(data: Path) -> None:
    change(data, "PRAGMA user_version = 9999")


def _no_certificate(data: Path) -> None:
    key, _, _ = (data / "authority.pem").read_text().partition("-----BEGIN CERTIFICATE-----")
    (data / "authority.pem").write_text(key)


def _no_database(data: Path) -> None:
    (data / "opsicle.db").write_bytes(b"no database" * 1000)


def _empty_database(data: Path) -> None:
    (data / "opsicle.db").write_bytes(b"")


def _damaged_logs(data: Path) -> None:
    (data / "logs.db").write_bytes(b"no database" * 1000)


def _lost_key(data: Path) -> None:
    (data / "orders.pem").unlink()


def _other_key(data: Path) -> None:
    (data / "master.key").write_text("a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_open_key, "permissions: .*master.key .*can be read by others"),
        (_open_folder, "permissions: .* can be entered by others"),
        (_old_backup, "backup: the last backup is .* days"),
        (_no_backup, "backup: there was none"),
        (_newer_schema, "database: it has schema 9999, newer"),
        (_no_certificate, "certificates: cannot be understood"),
        (_no_database, "database: opsicle.db is damaged"),
        (_empty_database, "database: opsicle.db is empty"),
        (_damaged_logs, "logs: logs.db is missing or damaged"),
        (_lost_key, "keys: orders.pem is lost"),
        (_other_key, "keys: master.key is not the key"),
    ],
)
def test_each_problem_is_found_by_itself(
    data: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(data)

    (found,) = problems(data)

    assert re.search(said, found), found


def test_keys_that_may_be_elsewhere_or_be_made_anew_are_warnings(data: Path) -> None:
    with (
        closing(DataFolder.open(data)) as folder,
        open_state(folder, SystemClock(), print) as state,
    ):
        open_keys(folder, state.database, SystemClock())
    for name in ("master.key", "identity.key"):
        (data / name).unlink()

    assert problems(data) == []
    warnings = "".join(problems(data, Level.WARNING))
    assert "keys: master.key is not in the folder" in warnings
    assert "keys: identity.key is lost" in warnings


def test_a_clock_behind_the_record_and_a_ca_that_ends_are_found(data: Path) -> None:
    (behind,) = problems(data, ahead=-timedelta(days=2))
    assert "ahead of this machine's clock" in behind

    assert any("CA ends on" in each for each in problems(data, ahead=timedelta(days=3640)))


def test_what_waits_for_somebody_is_a_warning(data: Path) -> None:
    (data / "logs.db.damaged-20260101T000000").touch()
    with (data / "logs.db-wal").open("wb") as file:
        file.truncate(65 * 2**20)
    with closing(apsw.Connection(str(data / "opsicle.db"))) as db:
        epochs.hold(db, "held after a restore")

    found = problems(data, Level.WARNING)

    assert "queue: held after a restore" in found
    assert "write-ahead log: logs.db-wal has 65 MiB" in found
    assert "logs: logs were damaged and set aside: logs.db.damaged-20260101T000000" in found


def test_workers_that_are_gone_or_of_another_version_are_named(
    api_server: ApiServer,
) -> None:
    worker = api_server.worker(name="web")
    data = api_server.folder.path
    (data / LAST_BACKUP).touch()
    change(data, f"UPDATE workers SET version = '0.0.9' WHERE id = '{worker.worker_id}'")

    assert "workers: 1 of another version than this program: acme/web (0.0.9)" in problems(
        data, Level.WARNING
    )
    assert "workers: 1 not seen for a day: acme/web" in problems(
        data, Level.WARNING, timedelta(days=2)
    )
    assert any(
        each.startswith("workers: 1 with a certificate that has ended")
        for each in problems(data, ahead=timedelta(days=1000))
    )


def test_little_room_and_file_systems_that_lose_data_are_problems(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = (
        "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        f"22 21 0:5 / {data.parent} rw shared:1 - nfs4 server:/x rw\n"
        f"23 21 0:5 / {data}-not rw - tmpfs tmpfs rw\n"
        "24 21 0:5 / /mnt/a\\040b rw - tmpfs tmpfs rw\n"
    )
    assert file_system_of(data, mounts) == "nfs4"
    assert file_system_of(Path("/mnt/a b"), mounts) == "tmpfs"
    assert file_system_of(Path("/etc"), mounts) == "ext4"

    monkeypatch.setattr(machine_checks, "_UNSAFE", {machine_checks._file_system(data).message})
    monkeypatch.setattr(machine_checks, "_LEAST_FREE_BYTES", 2**60)
    found = problems(data)
    assert any("on which a database can be damaged" in each for each in found)
    assert any(each.startswith("disk: ") for each in found)


def test_a_folder_of_something_else_is_no_data_folder(tmp_path: Path) -> None:
    for look in (lambda: examine(tmp_path, NOW()), lambda: check_upgrade(tmp_path, print)):
        with pytest.raises(InvalidInput, match="no data folder"):
            look()


def test_a_check_of_an_upgrade_takes_no_damage_for_an_older_schema(data: Path) -> None:
    _damaged_logs(data)
    _empty_database(data)

    empty, damaged = check_upgrade(data, lambda _: None).obstacles

    assert empty.startswith("opsicle.db is empty")
    assert damaged.startswith("logs.db is damaged")


def test_an_upgrade_is_tried_on_a_copy_and_changes_nothing(data: Path, tmp_path: Path) -> None:
    known = migrations.migrations(migrations.STATE_MIGRATIONS)
    older = tmp_path / "older"
    older.mkdir()
    for step in known[:-3]:
        (older / step.name).write_text(step.sql)
    (data / "opsicle.db").unlink()
    migrations.migrate(data / "opsicle.db", older)
    before = (data / "opsicle.db").read_bytes()

    found = check_upgrade(data, lambda _: None)

    assert found.migrations == tuple(step.name for step in known[-3:])
    assert (found.schema, found.new_schema) == (len(known) - 3, len(known))
    assert (data / "opsicle.db").read_bytes() == before
    check_integrity(data / "opsicle.db")
    assert any("this program brings it to" in each for each in problems(data, Level.WARNING))


def test_what_stands_in_the_way_of_an_upgrade_is_named(
    api_server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, data = api_server.session(ADMINS["acme"]), api_server.folder.path
    assert alice.post("/api/v1/templates", {"source": TEMPLATE}).status == 201
    assert alice.post("/api/v1/automations", {"template": "greet"}).status == 201
    found = check_upgrade(data, lambda _: None)
    assert (found.obstacles, found.needed_bytes) == ((), 0)

    readers = {DocumentKind.TEMPLATE: parse_policy}  # as of a program that asks for other fields
    monkeypatch.setattr(upgrade_check, "_READERS", readers)
    monkeypatch.setattr(upgrade_check, "SUPPORTED_FORMATS", (8, 9))
    monkeypatch.setattr(upgrade_check, "_schema", lambda _: 1)
    monkeypatch.setattr(upgrade_check, "_ROOM", 2**60)
    found = check_upgrade(data, lambda _: None)

    documents, automations, room = found.obstacles
    assert documents == "templates that this program would not take: acme/greet 1"
    assert re.match("1 automations that have not ended are in format [12]; .*8.*9", automations)
    assert re.match("[0-9]+ MiB are free, and migrations may need [0-9]+ MiB", room)
    assert found.log_migrations


def test_a_downgrade_is_refused_with_the_way_back_named(data: Path) -> None:
    _newer_schema(data)

    with pytest.raises(Conflict, match="newer Opsicle") as refused:
        check_upgrade(data, lambda _: None)

    assert "restore a backup from before the upgrade" in refused.value.hint


def test_a_downgrade_changes_nothing_in_the_folder(data: Path) -> None:
    _newer_schema(data)
    with closing(DataFolder.open(data)) as folder:
        before = {path: path.read_bytes() for path in data.iterdir() if path.is_file()}

        with (
            pytest.raises(Conflict, match="newer Opsicle"),
            open_state(folder, SystemClock(), lambda _: None),
        ):
            pytest.fail("the older program went on")

        assert {path: path.read_bytes() for path in data.iterdir() if path.is_file()} == before


def test_an_old_backup_is_remarked_until_there_is_a_new_one(data: Path) -> None:
    remarks = ["another's"]
    remark = LateBackupRemark(data, remarks)

    (data / LAST_BACKUP).unlink()
    remark.update(NOW())
    assert remarks == ["another's"], "who has never made one is left alone"

    (data / LAST_BACKUP).touch()
    remark.update(NOW() + timedelta(days=3))
    remark.update(NOW() + timedelta(days=4, hours=1, seconds=30))
    assert remarks == ["another's", "the last backup is 4 days 1 h old"]

    remark.update(NOW())
    assert remarks == ["another's"]
