"""Every key file is private and its reader's own, or the server does not start.

And root leaves none that is not.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from opsicle.domain.errors import InvalidInput, NotAllowed
from opsicle.kit import files
from opsicle.server.data_folder import DataFolder
from opsicle.server.http.wire.tls import Tls
from opsicle.server.keys.key_files import check_private, key_files
from opsicle.server.rotation import rotate_master_key
from tests.api.running_server import ApiServer
from tests.support import require

NOBODY, OTHER = 65534, 65533
KEYS = {"authority.pem", "audit.pem", "orders.pem", "identity.key", "master.key", "listener.pem"}


@pytest.fixture
def folder(prepared_folder: Path) -> Iterator[Path]:
    """Return the data folder of a stopped server, where users other than root can reach it."""
    with tempfile.TemporaryDirectory() as above:
        Path(above).chmod(0o755)
        folder = Path(above) / "data"
        shutil.copytree(prepared_folder, folder)
        server = ApiServer(folder)  # it makes what is missing of the keys
        Tls(server.folder, server.services.core.authority, ("127.0.0.1",), server.clock.now())
        server.close()
        yield folder


@contextmanager
def as_user(uid: int) -> Iterator[None]:
    require(os.geteuid() == 0, "root, to become somebody else")
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)


def give(folder: Path, uid: int) -> None:
    require(os.geteuid() == 0, "root, to give files away")
    for path in (folder, *folder.iterdir()):
        os.chown(path, uid, uid)


def test_every_key_file_is_looked_at(folder: Path) -> None:
    assert {path.name for path in key_files(folder)} >= KEYS
    assert "ca.pem" not in {path.name for path in key_files(folder)}
    check_private(key_files(folder))


@pytest.mark.parametrize("name", sorted(KEYS))
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o666])
def test_a_key_file_that_is_not_private_is_named_with_owner_and_mode(
    folder: Path, name: str, mode: int
) -> None:
    (folder / name).chmod(mode)
    with pytest.raises(NotAllowed, match="can be read by others") as refusal:
        check_private(key_files(folder))
    assert f"{folder / name} (" in refusal.value.message
    assert f"mode {mode:04o}" in refusal.value.message
    assert refusal.value.hint.endswith(f"chmod 600 {folder / name}")


def test_a_key_file_of_somebody_else_is_named_with_its_owner(folder: Path) -> None:
    give(folder, NOBODY)
    os.chown(folder / "orders.pem", OTHER, OTHER)
    with as_user(NOBODY), pytest.raises(NotAllowed) as refusal:
        check_private(key_files(folder))
    assert str(OTHER) in refusal.value.message
    assert "nobody" in refusal.value.message
    assert refusal.value.hint.endswith(f"chown nobody {folder / 'orders.pem'}")

    # Root is told the same: the server's own user could not use it.
    with pytest.raises(NotAllowed, match=str(OTHER)):
        check_private(key_files(folder))


def test_a_key_file_that_root_has_left_is_named(folder: Path) -> None:
    give(folder, NOBODY)
    os.chown(folder / "master.key", 0, 0)
    with as_user(NOBODY), pytest.raises(NotAllowed, match="root's, mode 0600") as refusal:
        check_private(key_files(folder))
    assert "chown nobody" in refusal.value.hint


def test_a_rotation_by_root_leaves_every_file_to_the_servers_user(folder: Path) -> None:
    give(folder, NOBODY)
    (folder / "lock").unlink()
    (folder / "master.key").chmod(0o400)

    rotate_master_key(folder, None)

    assert {path.name: path.stat().st_uid for path in folder.iterdir()} == dict.fromkeys(
        {path.name for path in folder.iterdir()}, NOBODY
    )
    assert (folder / "master.key").stat().st_mode & 0o777 == 0o400
    with as_user(NOBODY):
        check_private(key_files(folder))
        assert (folder / "master.key").read_text()


def test_a_rotation_of_a_key_elsewhere_keeps_the_keys_owner(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "keys"
    elsewhere.mkdir()
    key = elsewhere / "opsicle.key"
    shutil.move(folder / "master.key", key)
    require(os.geteuid() == 0, "root, to give files away")
    for path in (elsewhere, key):
        os.chown(path, OTHER, OTHER)
    os.chown(elsewhere, 0, 0)
    os.chown(key, 0, OTHER)
    rotate_master_key(folder, key)
    assert (key.stat().st_uid, key.stat().st_gid) == (0, OTHER)


def test_a_replaced_file_keeps_owner_and_mode(tmp_path: Path) -> None:
    require(os.geteuid() == 0, "root, to give files away")
    file = tmp_path / "file"
    file.touch(mode=0o400)
    os.chown(file, NOBODY, OTHER)
    files.replace(file, b"new")
    found = file.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777, file.read_bytes()) == (
        NOBODY,
        OTHER,
        0o400,
        b"new",
    )
    file.chmod(0o666)
    files.replace(file, b"newer")
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("left", [("opsicle.db",), ("authority.pem", "master.key"), ("lock",)])
def test_a_copy_without_the_lock_is_a_data_folder(tmp_path: Path, left: tuple[str, ...]) -> None:
    for name in left:
        (tmp_path / name).touch(mode=0o600)
    DataFolder.open(tmp_path).close()


def test_a_folder_of_something_else_is_none(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InvalidInput, match="no data folder"):
        DataFolder.open(tmp_path)
