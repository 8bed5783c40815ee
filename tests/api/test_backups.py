"""A backup holds what its server had, or is refused; a restore leaves all of it, or nothing."""

from __future__ import annotations

import errno
import gc
import io
import os
import shutil
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from opsicle.domain.errors import (
    Conflict,
    InvalidInput,
    NotAllowed,
    OpsicleError,
    Unavailable,
)
from opsicle.kit import files
from opsicle.kit.clock import SystemClock
from opsicle.server.backups import backup as backing_up
from opsicle.server.backups.archive import STATE
from opsicle.server.backups.backup import (
    EVERYTHING,
    WORKPLACE,
    Backup,
    BackupParts,
    BackupReport,
)
from opsicle.server.data_folder import LAST_BACKUP, DataFolder
from opsicle.server.doctor.folder_checks import examine
from opsicle.server.opening import begin_epoch, open_keys, open_state
from opsicle.server.store import audit, epochs
from tests.api.backing_up import (
    KEY,
    back_up,
    back_up_with_report,
    keep,
    replace_master_key,
    restore,
)
from tests.api.running_server import ApiServer
from tests.support import require

NOBODY = 65534


def files_by_doctor(folder: Path) -> str:
    (found,) = [each for each in examine(folder, SystemClock().now()) if each.check == "files"]
    assert (found.level == "ok") == (found.hint == "")
    return found.message


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "restored"


@pytest.fixture
def data(api_server: ApiServer) -> Path:
    """Return the data folder of a server that runs, with a file of 3 MB."""
    keep(api_server, b"abc" * 1_000_000)
    return api_server.folder.path


def test_all_that_a_running_server_has_is_restored_in_the_next_epoch_with_the_queue_held(
    api_server: ApiServer, data: Path, to: Path
) -> None:
    backup, made = back_up_with_report(data)
    restored = restore(backup, to)

    assert (made.artifacts, made.missing) == (1, ())
    assert (restored.orgs, restored.artifacts, restored.has_logs) == (2, 1, True)
    assert restored.ca_fingerprint == api_server.services.core.authority.fingerprint
    assert restored.created_at == made.created_at
    for name in ("authority.pem", "audit.pem", "orders.pem", "binding.key", "master.key"):
        assert (to / name).read_bytes() == (data / name).read_bytes()
        assert (to / name).stat().st_mode & 0o777 == 0o600
    files = [path.relative_to(data) for path in (data / "artifacts").rglob("*") if path.is_file()]
    assert len(files) == 1
    assert [(to / each).read_bytes() for each in files] == [b"abc" * 1_000_000]

    # A start that accepts nothing takes it, and says in each record what it is.
    with (
        closing(DataFolder.open(to)) as folder,
        open_state(folder, SystemClock(), _fail) as opened,
    ):
        open_keys(folder, opened.database, SystemClock())
        epoch = begin_epoch(opened, SystemClock(), accept_restored=False)
        held = opened.database.read(epochs.find_hold)
        orgs = opened.database.read(audit.list_heads)
        entries = [
            opened.database.read(
                lambda db, org_id=org_id: audit.list_entries(
                    db, org_id, audit.AuditFilter(verb="accept_restored"), 2**40, 10
                )
            )
            for org_id in orgs
        ]
    assert (epoch.number, restored.epoch, held) == (1, 1, "held after a restore")
    assert entries
    for (entry,) in entries:
        assert "restored from the backup of 20" in entry.data


def test_a_backup_is_noted_where_figures_and_doctor_look(data: Path) -> None:
    _, report = back_up_with_report(data)

    noted = msgspec.json.decode((data / LAST_BACKUP).read_bytes(), type=BackupReport)

    assert noted == report


def test_a_backup_without_logs_or_files_is_restored_without_and_says_which_files_it_lacks(
    data: Path, to: Path
) -> None:
    backup = back_up(data, BackupParts(has_logs=False, has_artifacts=False))

    restored = restore(backup, to)

    assert (restored.has_logs, restored.has_artifacts) == (False, False)
    assert not (to / "logs.db").exists()
    assert not (to / "artifacts").exists()
    assert files_by_doctor(to).startswith("1 of 1 are missing: ")
    shutil.copytree(data / "artifacts", to / "artifacts")
    assert files_by_doctor(to) == "all 1 that automations left or were given are there"


def test_what_the_server_has_lost_itself_is_said_and_stops_no_backup(
    api_server: ApiServer, data: Path, to: Path
) -> None:
    altered, lost = keep(api_server, b"altered"), keep(api_server, b"lost")
    altered.write_bytes(b"ALTERED")
    lost.unlink()
    (data / "logs.db-wal").unlink(missing_ok=True)
    (data / "logs.db").write_bytes(b"no database" * 1000)

    backup, made = back_up_with_report(data)
    restored = restore(backup, to)

    names = {"logs.db", *(str(path.relative_to(data)) for path in (altered, lost))}
    assert set(made.missing) == set(restored.missing) == names
    assert restored.artifacts == 1


def test_a_damaged_state_is_not_backed_up_as_if_it_were_whole(
    prepared_folder: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(prepared_folder, data)
    with closing(apsw.Connection(str(data / STATE))) as db:
        (root,) = db.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'audit_entries'"
        ).fetchone()
    with (data / STATE).open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 4096)

    with pytest.raises(Conflict, match=r"opsicle\.db is damaged"):
        back_up(data)
    assert not (data / LAST_BACKUP).exists()


@pytest.mark.parametrize("name", ["orders.pem", "binding.key", "master.key"])
def test_keys_with_which_nothing_could_be_restored_make_no_backup(data: Path, name: str) -> None:
    back_up(data)
    noted, path = (data / LAST_BACKUP).read_bytes(), data / name
    path.write_bytes(b"k" * 32)

    with pytest.raises(Conflict, match=f"{name} is not the key"):
        back_up(data)

    path.unlink()
    if name != "master.key":  # which may be kept elsewhere
        with pytest.raises(Conflict, match=f"has lost {name}"):
            back_up(data)
        assert (data / LAST_BACKUP).read_bytes() == noted


def test_what_is_no_data_folder_and_keys_that_others_can_read_are_refused(
    data: Path, tmp_path: Path
) -> None:
    (data / "master.key").chmod(0o644)

    with pytest.raises(NotAllowed, match=r"master\.key"):
        back_up(data)
    with pytest.raises(InvalidInput, match="no data folder"):
        back_up(tmp_path)


def test_one_backup_at_a_time_which_needs_room_and_leaves_no_copy(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data / WORKPLACE).mkdir()
    (data / WORKPLACE / "opsicle.db").write_text("what a backup that was killed has left")

    class Target(io.BytesIO):
        tried = False

        def write(self, piece):
            if self.getvalue() and not self.tried:  # its copies are made by now
                self.tried = True
                with pytest.raises(Conflict, match="another backup"):
                    back_up(data)
            return super().write(piece)

    Backup(data, SystemClock(), lambda _: None).write(Target(), KEY, EVERYTHING)
    assert not (data / WORKPLACE).exists()

    monkeypatch.setattr(backing_up, "_SPARE_BYTES", 2**60)
    with pytest.raises(Unavailable, match="no room"):
        back_up(data)
    assert not (data / WORKPLACE).exists()


def test_a_key_that_is_replaced_while_the_state_is_copied_makes_no_backup(data: Path) -> None:
    backup = Backup(data, SystemClock(), lambda _: replace_master_key(data))

    with pytest.raises(Conflict, match="a key was replaced"):
        backup.write(io.BytesIO(), KEY, EVERYTHING)


def test_a_target_that_fails_leaves_the_backup_of_before(data: Path, disk_path: Path) -> None:
    file = disk_path / "opsicle.age"
    file.write_bytes(before := back_up(data))

    def write_half() -> None:
        with files.written_whole(file) as target:
            target.write(before[:1000])
            target.truncate(2**63 - 1)

    with pytest.raises(OSError, match="too large"):
        write_half()

    assert file.read_bytes() == before
    assert [path.name for path in disk_path.iterdir() if path.name.startswith(".")] == []


def test_a_pipe_that_breaks_is_told_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(io.BytesIO):
        def write(self, content: Any) -> int:
            if self.tell() > 1000:  # its head is out
                raise BrokenPipeError
            return super().write(content)

    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)

    with pytest.raises(BrokenPipeError):
        Backup(data, SystemClock(), lambda _: None).write(Broken(), KEY, EVERYTHING)

    gc.collect()
    assert told == []


def test_two_that_write_one_file_do_not_take_it_from_each_other(disk_path: Path) -> None:
    file = disk_path / "opsicle.age"
    (disk_path / ".opsicle.age.new").write_bytes(b"left by a backup that was killed")

    with files.written_whole(file) as first:
        first.write(b"first")
        with pytest.raises(OSError, match="another program"), files.written_whole(file) as second:
            second.write(b"second")

    assert file.read_bytes() == b"first"
    assert [path.name for path in disk_path.iterdir() if path.name.startswith(".")] == []


def test_where_nothing_can_be_locked_half_a_file_is_never_called_whole(
    disk_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = disk_path / "opsicle.age"
    draft = disk_path / ".opsicle.age.new"
    monkeypatch.setattr(files.fcntl, "flock", _no_locks)

    def write_both() -> None:
        with files.written_whole(file), files.written_whole(file) as second:
            second.write(b"second")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_both()

    def lose_it() -> None:
        with files.written_whole(file):
            draft.unlink()
            draft.write_bytes(b"half of another's")

    with pytest.raises(OSError, match="another program"):
        lose_it()

    assert not file.exists()
    assert draft.read_bytes() == b"half of another's"


def test_root_acts_as_the_owner_of_the_folder_where_it_backs_up(
    prepared_folder: Path, disk_path: Path
) -> None:
    require(os.geteuid() == 0, "root")
    disk_path.chmod(0o755)
    data = disk_path / "data"
    shutil.copytree(prepared_folder, data)
    for path in (data, *data.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    victim = disk_path / "victim"
    victim.mkdir(mode=0o700)
    (victim / "precious").write_text("root's")
    (data / WORKPLACE).symlink_to(victim)
    seen = set()

    with pytest.raises(OpsicleError, match="cannot be"):
        back_up(data)
    (data / WORKPLACE).unlink()
    Backup(data, SystemClock(), lambda _: seen.add(os.geteuid())).write(
        io.BytesIO(), KEY, EVERYTHING
    )

    assert (victim / "precious").read_text() == "root's"
    assert (victim.stat().st_uid, os.geteuid()) == (0, 0)
    assert seen == {NOBODY}


def _no_locks(_fd: int, _how: int) -> None:
    raise OSError(errno.ENOLCK, "no locks available")


def _fail(error: BaseException) -> None:
    raise error
