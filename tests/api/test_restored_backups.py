"""What is no whole backup, or does not belong together, is refused, and nothing of it is left."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import msgspec
import pytest

from opsicle.domain.errors import (
    Conflict,
    InvalidInput,
    OpsicleError,
)
from opsicle.security.age_files import EncryptingWriter
from opsicle.security.age_keys import Passphrase
from opsicle.server.backups import backup
from opsicle.server.backups import restore as restoring
from opsicle.server.backups.archive import END, HEAD, STATE, BackupEnd
from opsicle.server.backups.restore import RestoreOptions
from opsicle.server.data_folder import RESTORING, DataFolder
from opsicle.server.store import migrations
from tests.api.backing_up import KEY, back_up, keep, refused, replace_master_key, restore
from tests.api.forged_backups import FOREIGN, HEAD_OF_NOW, HEADED, ORG, forged, of, opened
from tests.api.running_server import ApiServer
from tests.product import CHECKOUT
from tests.support import require

NOBODY = 65534


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "restored"


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory, prepared_folder: Path) -> bytes:
    """Return a backup of a server that was stopped."""
    folder = tmp_path_factory.mktemp("backed-up") / "data"
    shutil.copytree(prepared_folder, folder)
    return back_up(folder)


def test_a_backup_that_is_cut_short_or_altered_is_refused_and_nothing_is_left(
    content: bytes, to: Path
) -> None:
    ends = range(0, len(content), len(content) // 12)

    for end in (*ends, len(content) - 1):
        refused(content[:end], to, "no backup|cut short|head was altered")
    for place in (30, len(content) // 2, len(content) - 1):
        refused(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :], to, ".")
    refused(content, to, "does not open this backup", key=Passphrase("another one"))

    assert restore(content, to).orgs == 2


def test_a_folder_that_is_not_empty_is_left_as_it_is(content: bytes, to: Path) -> None:
    to.mkdir()
    (to / "precious").write_text("mine")

    with pytest.raises(InvalidInput, match="not empty"):
        restore(content, to)
    assert [path.name for path in to.iterdir()] == ["precious"]

    (to / "precious").unlink()
    (to / RESTORING).mkdir()  # what a restore that was killed leaves
    (to / RESTORING / "opsicle.db").write_text("half")
    assert restore(content, to).orgs == 2
    assert not (to / RESTORING).exists()

    with pytest.raises(InvalidInput, match="not empty"):
        restore(content, to)


def test_what_root_restores_and_backs_up_belongs_to_whom_the_folder_does(
    api_server: ApiServer, disk_path: Path
) -> None:
    require(os.geteuid() == 0, "root")
    keep(api_server, b"abc")
    backup = back_up(api_server.folder.path)
    disk_path.chmod(0o755)
    to = disk_path / "restored"
    to.mkdir(mode=0o700)
    os.chown(to, NOBODY, NOBODY)

    restored = restore(backup, to)
    back_up(to)

    assert restored.artifacts == 1
    found = [to, *to.rglob("*")]
    assert any("artifacts" in path.parts for path in found)
    assert {path.stat().st_uid for path in found} == {NOBODY}
    assert {path.stat().st_mode & 0o077 for path in found} == {0}


def test_a_backup_of_an_older_program_is_brought_to_the_schema_of_this_one(
    prepared_folder: Path, tmp_path: Path, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, older = tmp_path / "data", tmp_path / "older"
    shutil.copytree(prepared_folder, data)
    older.mkdir()
    known = migrations.migrations(migrations.STATE_MIGRATIONS)
    for step in known[:-3]:
        (older / step.name).write_text(step.sql)
    (data / STATE).unlink()
    migrations.migrate(data / STATE, older)

    with pytest.raises(Conflict, match="has schema"):
        back_up(data)
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "newest_schema", lambda: len(known) - 3)
        backup = back_up(data)
    restore(backup, to)

    with closing(apsw.Connection(str(to / STATE))) as db:
        assert db.pragma("user_version") == len(known)


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


CRASHES = """
import os, sys
from pathlib import Path
from opsicle.kit import files
from opsicle.kit.clock import SystemClock
from opsicle.security.age_keys import Passphrase
from opsicle.server.backups.restore import Restore, RestoreOptions

content, folder, key = Path(sys.argv[1]), Path(sys.argv[2]), Passphrase(sys.argv[3])
rename = Path.rename
for crash in range(99):
    steps = iter(range(99))

    def step(call):
        def crashing(*arguments):
            if next(steps) == crash:
                os._exit(9)
            return call(*arguments)
        return crashing

    pid = os.fork()
    if pid == 0:
        Path.rename, files.sync_file_system = step(rename), step(lambda _: None)
        with content.open("rb") as source:
            Restore(folder / str(crash), SystemClock(), print, RestoreOptions()).run(source, key)
        os._exit(0)
    if os.waitpid(pid, 0)[1] == 0:
        break
"""


def test_a_restore_that_is_killed_at_any_step_leaves_nothing_that_a_server_would_take(
    content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "backup").write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", CRASHES, tmp_path / "backup", tmp_path / "to", KEY.text],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

    *killed, whole = sorted((tmp_path / "to").iterdir(), key=lambda path: int(path.name))

    assert len(killed) > 8
    for folder in killed:
        with pytest.raises(OpsicleError, match=r"restore .* cut short|not empty"):
            DataFolder.open(folder)
    assert restore(content, killed[0]).orgs == 2  # nothing had got its place
    with pytest.raises(InvalidInput, match="a restore that was cut short"):
        restore(content, killed[-1])
    DataFolder.open(whole).close()


def _swap_binding_key(data: Path) -> None:
    (data / "binding.key").write_bytes(b"k" * 32)


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
        (replace_master_key, "master key"),
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
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            backup, "require_fitting", lambda *_: None
        )  # as programs did that did not look
        content = back_up(data)

    refused(content, to, match)


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


@pytest.mark.parametrize(
    ("member", "said"),
    [
        (of("../outside"), FOREIGN),
        (of("/tmp/opsicle-outside"), FOREIGN),
        (of("artifacts/../../outside"), FOREIGN),
        (of(f"artifacts/{ORG}/ab/../../../../outside"), FOREIGN),
        (of("ca.pem"), FOREIGN),
        (of("marker.json"), FOREIGN),
        (of("opsicle.db-wal"), FOREIGN),
        (of("master.key", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"), FOREIGN),
        (of("master.key", b"", type=tarfile.LNKTYPE, linkname="/etc/passwd"), FOREIGN),
        (of("logs.db", b"", type=tarfile.FIFOTYPE), FOREIGN),
        (of("logs.db", b"", type=tarfile.CHRTYPE), FOREIGN),
        (of("logs.db", b"", type=tarfile.GNUTYPE_SPARSE), FOREIGN),
        (of("artifacts", b"", type=tarfile.DIRTYPE), FOREIGN),
        (of(HEAD), FOREIGN),
        (of(f"artifacts/{ORG}/cd/ab{'0' * 62}"), FOREIGN),
        (of(f"artifacts/{ORG}/ab/ab{'0' * 62}"), "not what its name says"),
        (of(END, b"{}"), FOREIGN),  # a second one
        (of("audit.pem"), "not whole"),  # and no state
    ],
    ids=lambda value: value[0].name if isinstance(value, tuple) else "",
)
def test_nothing_that_no_backup_holds_gets_out_of_one(
    member: tuple[tarfile.TarInfo, bytes], said: str, to: Path
) -> None:
    refused(forged(iter([HEADED, member, of(END, b"{}")])), to, said)

    assert [path.name for path in to.parent.iterdir() if "outside" in path.name] == []


def test_a_value_that_cannot_be_read_is_refused(to: Path) -> None:
    refused(forged(iter([HEADED, of(END, b"[1")])), to, "cannot be read")
    refused(forged(iter([of(HEAD, b"{}")])), to, "cannot be read")


@pytest.mark.parametrize(
    "extended",
    [{"GNU.sparse.map": "1,x"}, {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}, {"size": "-9"}],
)
def test_an_archive_that_makes_no_sense_is_refused(extended: dict[str, str], to: Path) -> None:
    state = of("opsicle.db", b"x" * 99, pax_headers=extended)

    refused(forged(iter([HEADED, state, of(END, b"{}")])), to, "no archive|no backup has|not whole")


def test_an_archive_that_ends_amid_a_file_is_refused(to: Path) -> None:
    target = io.BytesIO()
    writer = EncryptingWriter(target, KEY)
    writer.write(opened(forged(iter([HEADED, of("opsicle.db", b"x" * 99_999)])))[:9_999])
    writer.finish()

    refused(target.getvalue(), to, "no archive that can be read")


def test_what_stands_behind_the_archive_is_checked_too(content: bytes, to: Path) -> None:
    target = io.BytesIO()
    writer = EncryptingWriter(target, KEY)
    writer.write(opened(content) + bytes(200_000))
    writer.finish()

    refused(target.getvalue()[:-1], to, "cut short")
    assert restore(target.getvalue(), to).orgs == 2


def test_a_file_that_the_state_names_and_the_backup_lacks_is_missed(
    api_server: ApiServer, to: Path
) -> None:
    keep(api_server, b"abc")
    backup = back_up(api_server.folder.path)
    with tarfile.open(fileobj=io.BytesIO(opened(backup))) as tar:
        members = [(info, tar.extractfile(info).read()) for info in tar]  # type: ignore[union-attr]
    kept = [each for each in members if "/" not in each[0].name]
    assert len(members) == len(kept) + 1

    refused(forged(iter(kept)), to, "artifacts/.* is missing from the backup")


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
