"""A backup holds what its server had, or is refused; a restore leaves all of it, or nothing."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import apsw
import msgspec
import pytest

from opsicle.domain.errors import Conflict, InvalidInput, NotAllowed, OpsicleError
from opsicle.kit.clock import SystemClock
from opsicle.security.age_files import EncryptingWriter, Passphrase
from opsicle.server.backups import restore as restoring
from opsicle.server.backups.archive import END, HEAD, STATE, BackupEnd, BackupHead
from opsicle.server.backups.backup import EVERYTHING, Backup, BackupParts, BackupReport
from opsicle.server.backups.restore import DRAFT, Restore, RestoreOptions, RestoreReport
from opsicle.server.data_folder import LAST_BACKUP, DataFolder
from opsicle.server.opening import begin_epoch, open_keys, open_state
from opsicle.server.store import audit, epochs
from tests.api.running_server import ADMINS, ApiServer

KEY = Passphrase("correct horse battery", work_factor=4)
AS_IT_IS = RestoreOptions()


def back_up(folder: Path, parts: BackupParts = EVERYTHING) -> bytes:
    return back_up_with_report(folder, parts)[0]


def back_up_with_report(
    folder: Path, parts: BackupParts = EVERYTHING
) -> tuple[bytes, BackupReport]:
    target = io.BytesIO()
    made = Backup(folder, None, SystemClock(), lambda _: None)
    report = made.write(target, KEY, parts)
    made.note_done(report)
    assert report.bytes == len(target.getvalue())
    return target.getvalue(), report


def restore(
    content: bytes, to: Path, options: RestoreOptions = AS_IT_IS, key: Passphrase = KEY
) -> RestoreReport:
    return Restore(to, SystemClock(), lambda _: None, options).run(io.BytesIO(content), key)


def refused(content: bytes, to: Path, match: str, **more: object) -> None:
    """See that a restore says why it fails, and leaves nothing."""
    with pytest.raises(OpsicleError, match=match):
        restore(content, to, **more)  # type: ignore[arg-type]
    assert not to.exists() or list(to.iterdir()) == []


def keep(api_server: ApiServer, content: bytes) -> Path:
    """Keep a file of acme on the server, as an upload is kept; return where it is."""
    store = api_server.services.contents
    org_id = api_server.actor(ADMINS["acme"]).org_id
    with store.received(io.BytesIO(content).read, 10**9) as upload:
        store.keep(org_id, upload, lambda _: None)
        return store.path(org_id, upload.sha256)


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "restored"


@pytest.fixture
def data(api_server: ApiServer) -> Path:
    """Return the data folder of a server that runs, with a file of 3 MB."""
    keep(api_server, b"abc" * 1_000_000)
    return api_server.folder.path


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory, prepared_folder: Path) -> bytes:
    """Return a backup of a server that was stopped."""
    folder = tmp_path_factory.mktemp("backed-up") / "data"
    shutil.copytree(prepared_folder, folder)
    return back_up(folder)


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


def test_a_backup_without_logs_or_files_is_restored_without(data: Path, to: Path) -> None:
    backup = back_up(data, BackupParts(has_logs=False, has_artifacts=False))

    restored = restore(backup, to)

    assert (restored.has_logs, restored.has_artifacts) == (False, False)
    assert not (to / "logs.db").exists()
    assert not (to / "artifacts").exists()


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


def test_what_is_no_data_folder_and_keys_that_others_can_read_are_refused(
    data: Path, tmp_path: Path
) -> None:
    (data / "master.key").chmod(0o644)

    with pytest.raises(NotAllowed, match=r"master\.key"):
        back_up(data)
    with pytest.raises(InvalidInput, match="no data folder"):
        back_up(tmp_path)


def test_a_backup_that_is_cut_short_or_altered_is_refused_and_nothing_is_left(
    content: bytes, to: Path
) -> None:
    ends = range(0, len(content), len(content) // 12)

    for end in (*ends, len(content) - 1):
        refused(content[:end], to, "no backup|cut short|head was altered")
    for place in (30, len(content) // 2, len(content) - 1):
        refused(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :], to, ".")
    refused(content, to, "the passphrase does not open", key=Passphrase("another one"))

    assert restore(content, to).orgs == 2


def test_a_folder_that_is_not_empty_is_left_as_it_is(content: bytes, to: Path) -> None:
    to.mkdir()
    (to / "precious").write_text("mine")

    with pytest.raises(InvalidInput, match="not empty"):
        restore(content, to)
    assert [path.name for path in to.iterdir()] == ["precious"]

    (to / "precious").unlink()
    (to / DRAFT).mkdir()  # what a restore that was killed leaves
    (to / DRAFT / "opsicle.db").write_text("half")
    assert restore(content, to).orgs == 2
    assert not (to / DRAFT).exists()

    with pytest.raises(InvalidInput, match="not empty"):
        restore(content, to)


def test_two_restores_into_one_folder_do_not_mix(
    content: bytes, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []

    def also(source: io.BytesIO, *arguments: object) -> object:
        if not found:
            found.append("")
            with pytest.raises(Conflict, match="another restore"):
                restore(content, to)
        return unpack(source, *arguments)  # type: ignore[arg-type]

    unpack = restoring.unpack
    monkeypatch.setattr(restoring, "unpack", also)

    assert restore(content, to).orgs == 2


def _swap_binding_key(data: Path) -> None:
    (data / "binding.key").write_bytes(b"k" * 32)


def _swap_master_key(data: Path) -> None:
    (data / "master.key").write_text("a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=")


def _lose_master_key(data: Path) -> None:
    (data / "master.key").unlink()


def _alter_record(data: Path) -> None:
    with closing(apsw.Connection(str(data / STATE))) as db:
        for (name,) in db.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'audit_entries'"
        ).fetchall():
            db.execute(f"DROP TRIGGER {name}")
        db.execute("UPDATE audit_entries SET actor_name = 'mallory' WHERE seq = 1")


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (_swap_binding_key, r"binding\.key is not the key of this database"),
        (_swap_master_key, "master key"),
        (_lose_master_key, r"lost master\.key"),
        (_alter_record, "the record of .* entry 1 was altered"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    prepared_folder: Path, tmp_path: Path, to: Path, spoil: Callable[[Path], None], match: str
) -> None:
    data = tmp_path / "data"
    shutil.copytree(prepared_folder, data)
    spoil(data)

    refused(back_up(data), to, match)


def test_a_record_that_was_altered_before_can_be_taken_as_it_is(
    prepared_folder: Path, tmp_path: Path, to: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(prepared_folder, data)
    _alter_record(data)

    restored = restore(back_up(data), to, RestoreOptions(accepts_broken_record=True))

    assert any("entry 1 was altered" in fault for fault in restored.faults)


def test_a_master_key_that_is_kept_elsewhere_is_not_in_the_backup_and_is_asked_for(
    prepared_folder: Path, tmp_path: Path, to: Path
) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "kept.key"
    shutil.copytree(prepared_folder, data)
    (data / "master.key").rename(elsewhere)
    backup = back_up(data)

    refused(backup, to, r"lost master\.key")
    restore(backup, to, RestoreOptions(master_key_file=elsewhere))

    assert not (to / "master.key").exists()


HEAD_OF_NOW = BackupHead(
    version="9", created_at=SystemClock().now(), schema=1, epoch=1, ca_fingerprint="",
    has_logs=False, has_artifacts=False,
)  # fmt: skip


def forged(members: Iterator[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """Return what somebody who knows the passphrase could make."""
    target = io.BytesIO()
    writer = EncryptingWriter(target, KEY)
    with tarfile.open(fileobj=writer, mode="w|") as tar:
        for info, body in members:
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    writer.finish()
    return target.getvalue()


def of(name: str, body: bytes = b"x", **more: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    for field, value in more.items():
        setattr(info, field, value)
    return info, body


HEADED = of(HEAD, msgspec.json.encode(HEAD_OF_NOW))
ORG = "0" * 26


@pytest.mark.parametrize(
    "member",
    [
        of("../outside"),
        of("/tmp/opsicle-outside"),
        of("artifacts/../../outside"),
        of(f"artifacts/{ORG}/ab/../../../../outside"),
        of("ca.pem"),
        of("marker.json"),
        of("opsicle.db-wal"),
        of("master.key", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        of("master.key", b"", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
        of("logs.db", b"", type=tarfile.FIFOTYPE),
        of("logs.db", b"", type=tarfile.CHRTYPE),
        of("artifacts", b"", type=tarfile.DIRTYPE),
        of(HEAD),
        of(f"artifacts/{ORG}/cd/ab{'0' * 62}"),
        of(f"artifacts/{ORG}/ab/ab{'0' * 62}"),  # another content than its name says
        of(END, b"{}"),
        of(END, b"[1"),
    ],
    ids=lambda member: member[0].name,
)
def test_nothing_that_no_backup_holds_gets_out_of_one(
    member: tuple[tarfile.TarInfo, bytes], to: Path
) -> None:
    refused(forged(iter([HEADED, member, of(END, b"{}")])), to, ".")

    assert [path.name for path in to.parent.iterdir() if "outside" in path.name] == []


def test_files_that_stand_twice_or_out_of_order_are_refused(to: Path) -> None:
    for names in (("audit.pem", "audit.pem"), ("opsicle.db", "audit.pem")):
        refused(forged(iter([HEADED, *map(of, names)])), to, "no backup has there")
    refused(forged(iter([of("audit.pem")])), to, "not whole")


def test_a_backup_of_a_newer_program_is_refused_by_name(to: Path) -> None:
    for newer in (
        msgspec.structs.replace(HEAD_OF_NOW, schema=9999),
        msgspec.structs.replace(HEAD_OF_NOW, format=2),
    ):
        head = of(HEAD, msgspec.json.encode(newer))
        refused(
            forged(iter([head, of(END, msgspec.json.encode(BackupEnd()))])), to, "newer Opsicle, 9"
        )


def _fail(error: BaseException) -> None:
    raise error
