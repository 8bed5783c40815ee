"""Where the master key lives.

A file of mode 0600 beside the database, or one that whoever runs the server names.
"""

from __future__ import annotations

from pathlib import Path

from opsicle.domain.errors import Conflict, InvalidInput
from opsicle.kit import files
from opsicle.security.master_key import MasterKey
from opsicle.server.data_folder import DataFolder, explained
from opsicle.server.keys.key_files import check_private
from opsicle.server.keys.vault import CHECK_SETTING, Vault, opens
from opsicle.server.store import settings
from opsicle.server.store.database import Database

FILE_NAME = "master.key"


class MasterKeyFile:
    """The file with the key, and during a rotation its successor beside it.

    A rotation writes the successor, then changes the database in one transaction, then puts the
    successor in the file's place. Whatever step it dies before, the next start finds out by the
    database's check value which of the two counts.
    """

    def __init__(self, folder: DataFolder, named: Path | None) -> None:
        self._path = named or folder.path / FILE_NAME
        self._next = self._path.with_name(f"{self._path.name}.next")
        self._is_own = named is None

    @staticmethod
    def check_named(path: Path) -> None:
        """Raise what a named file would be refused for, before anything has been made."""
        if path.exists():
            read_master_key(path)
        elif not path.with_name(f"{path.name}.next").exists():
            raise _named_is_missing(path)

    def open_vault(self, database: Database) -> Vault:
        """Return the vault under this key, proven to work; the first start makes the key.

        Raises Conflict if the key is lost or another one's, InvalidInput if the file holds none,
        NotAllowed if others can read it.
        """
        check = database.read(lambda db: settings.find(db, CHECK_SETTING))
        if not self._path.exists() and not self._next.exists():
            self._create(is_needed=check is not None)
        key = self._finish_rotation(check)
        vault = Vault(key)
        vault.prove(database)
        return vault

    def write_next(self, key: MasterKey) -> None:
        """Keep the successor, durably, before the database changes."""
        self._write(self._next, key)

    def promote(self) -> None:
        """Put the successor in the key's place: the database has changed."""
        with explained(self._path.parent):
            self._next.replace(self._path)
            files.sync_folder(self._path.parent)

    def _create(self, *, is_needed: bool) -> None:
        if not self._is_own:
            raise _named_is_missing(self._path)
        if is_needed:
            raise Conflict(
                "the data folder has lost master.key, "
                "without which its secrets cannot be decrypted",
                hint="Restore it from where you keep it.",
            )
        self._write(self._path, MasterKey.create())

    def _finish_rotation(self, check: str | None) -> MasterKey:
        """Return the key that counts; first end or undo a rotation that was cut short."""
        if self._next.exists():
            if check is not None and opens(read_master_key(self._next), check):
                self.promote()
            else:
                self._next.unlink()
        return read_master_key(self._path)

    def _write(self, path: Path, key: MasterKey) -> None:
        with explained(path.parent):
            files.replace(path, key.text.encode("ascii"), mode=0o600, like=self._path)


def _named_is_missing(path: Path) -> InvalidInput:
    return InvalidInput(
        f"the master key file {path} does not exist",
        hint="Make one of mode 0600: `openssl rand -base64 32`.",
    )


def read_master_key(path: Path) -> MasterKey:
    """Return the key in a file. Raises InvalidInput, or NotAllowed where others can read it."""
    with explained(path):
        check_private([path])
        content = path.read_bytes()
    try:
        return MasterKey.from_text(content.decode("ascii"))
    except ValueError as error:
        raise InvalidInput(
            f"{path} holds no master key",
            hint="It must hold 32 random bytes in base64 and nothing else.",
        ) from error
