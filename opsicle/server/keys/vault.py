"""What is encrypted in the database.

Sealing it, opening it, and proving at every start that both work.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from secrets import token_bytes
from typing import NamedTuple

import msgspec

from opsicle.domain.errors import Conflict
from opsicle.domain.templates import Value
from opsicle.security.master_key import CannotOpen, MasterKey, Place, Sealed
from opsicle.server.store import channels, secrets, settings, triggers
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.secrets import SealedRow

CHECK_SETTING = "master_key_check"
_CHECK_PLACE = ("check",)
_CHECK_VALUE = b"Opsicle can encrypt and decrypt."


_SALT_BYTES = 32
_WITH_SALT = b"\x01"
"""Before the values that have one; older ones are JSON alone."""


class HiddenValues(NamedTuple):
    """An automation's secret values, and the salt of what its manifest says of them."""

    salt: bytes
    values: dict[str, Value]


class _Check(msgspec.Struct):
    """The check value as the settings keep it, base64."""

    wrapped_key: str
    ciphertext: str


class Vault:
    """Seals and opens under one master key. What it raises is CannotOpen."""

    def __init__(self, key: MasterKey) -> None:
        self._key = key

    def seal_secret(self, org_id: str, name: str, version: int, value: str) -> SealedRow:
        """Return a secret's value, bound to org, name and version."""
        sealed = self._key.seal(_secret_place(org_id, name, version), value.encode())
        return SealedRow(org_id, name, version, sealed.wrapped_key, sealed.ciphertext)

    def open_secret(self, row: SealedRow) -> str:
        """Return a secret's value."""
        return self._key.open(
            _secret_place(row.org_id, row.key, row.version), _sealed(row)
        ).decode()

    def seal_values(self, org_id: str, automation_id: str, hidden: HiddenValues) -> SealedRow:
        """Return an automation's secret values with their salt, which older ones lack."""
        content = _WITH_SALT + hidden.salt + msgspec.json.encode(hidden.values)
        sealed = self._key.seal(_values_place(org_id, automation_id), content)
        return SealedRow(org_id, automation_id, 1, sealed.wrapped_key, sealed.ciphertext)

    def open_values(self, row: SealedRow) -> HiddenValues:
        """Return an automation's secret values with their salt, which older ones lack."""
        content = self._key.open(_values_place(row.org_id, row.key), _sealed(row))
        salt, values = b"", content
        if content.startswith(_WITH_SALT):
            salt, values = content[1 : 1 + _SALT_BYTES], content[1 + _SALT_BYTES :]
        return HiddenValues(salt, msgspec.json.decode(values, type=dict[str, Value]))

    def seal_credential(
        self, org_id: str, channel_id: str, version: int, credential: str
    ) -> SealedRow:
        """Return a channel's credential, bound to org, channel and version."""
        sealed = self._key.seal(_credential_place(org_id, channel_id, version), credential.encode())
        return SealedRow(org_id, channel_id, version, sealed.wrapped_key, sealed.ciphertext)

    def open_credential(self, row: SealedRow) -> str:
        """Return a channel's credential."""
        return self._key.open(
            _credential_place(row.org_id, row.key, row.version), _sealed(row)
        ).decode()

    def seal_trigger_secret(
        self, org_id: str, trigger_id: str, version: int, value: str
    ) -> SealedRow:
        """Return a trigger's secret, bound to org, trigger and version."""
        sealed = self._key.seal(_trigger_place(org_id, trigger_id, version), value.encode())
        return SealedRow(org_id, trigger_id, version, sealed.wrapped_key, sealed.ciphertext)

    def open_trigger_secret(self, row: SealedRow) -> str:
        """Return a trigger's secret."""
        return self._key.open(
            _trigger_place(row.org_id, row.key, row.version), _sealed(row)
        ).decode()

    def fingerprint(self, content: bytes) -> str:
        """Return a keyed digest (hex HMAC-SHA-256) of content that may hold secrets."""
        key = hmac.digest(self._key.key, b"opsicle fingerprint key", hashlib.sha256)
        return hmac.new(key, content, hashlib.sha256).hexdigest()

    def prove(self, database: Database) -> None:
        """Find out that encryption works and that this is the right key.

        The first start leaves a value for that.

        Raises Conflict if what an earlier start has encrypted does not come out again.
        """
        stored = database.read(lambda db: settings.find(db, CHECK_SETTING))
        if stored is None:
            database.write(lambda db: settings.put(db, CHECK_SETTING, _check_for(self._key)))
            stored = database.read(lambda db: settings.find(db, CHECK_SETTING))
        if stored is None or not opens(self._key, stored):
            raise Conflict(
                "the master key is not the one with which this database's secrets were encrypted",
                hint="Restore the master.key that belongs to it, "
                "or name that one with --master-key-file.",
            )

    def rewrap_all(self, db: Connection, new: MasterKey) -> int:
        """Wrap every data key under a new master key, inside one transaction.

        Return how many there were.

        Raises Conflict, and with it undoes everything, if one does not open.
        """
        rows = [
            (secrets.rewrap, row, _secret_place(row.org_id, row.key, row.version))
            for row in secrets.list_sealed(db)
        ]
        rows += [
            (secrets.rewrap_values, row, _values_place(row.org_id, row.key))
            for row in secrets.list_values(db)
        ]
        rows += [
            (channels.rewrap, row, _credential_place(row.org_id, row.key, row.version))
            for row in channels.list_sealed(db)
        ]
        rows += [
            (triggers.rewrap, row, _trigger_place(row.org_id, row.key, row.version))
            for row in triggers.list_sealed(db)
        ]

        for store, row, place in rows:
            try:
                wrapped = self._key.rewrap(place, _sealed(row), new).wrapped_key
            except CannotOpen as error:
                raise Conflict(
                    f"{row.key} cannot be decrypted with the present master key",
                    hint="Restore it from a backup, or delete it. Nothing was changed.",
                ) from error
            store(db, SealedRow(row.org_id, row.key, row.version, wrapped, row.ciphertext))

        settings.put(db, CHECK_SETTING, _check_for(new))
        return len(rows)

    def take_over(self, db: Connection, other: MasterKey) -> int:
        """Wrap everything in a database under this vault's key that was wrapped under another.

        Raises as `rewrap_all`.
        """
        return Vault(other).rewrap_all(db, self._key)


def new_salt() -> bytes:
    """Return a salt that nobody can guess."""
    return token_bytes(_SALT_BYTES)


def opens(key: MasterKey, check: str) -> bool:
    """Return whether a key is the one with which a check value was made."""
    try:
        stored = msgspec.json.decode(check, type=_Check)
        sealed = Sealed(base64.b64decode(stored.wrapped_key), base64.b64decode(stored.ciphertext))
        return key.open(_CHECK_PLACE, sealed) == _CHECK_VALUE
    except (CannotOpen, msgspec.MsgspecError, ValueError):
        return False


def _check_for(key: MasterKey) -> str:
    sealed = key.seal(_CHECK_PLACE, _CHECK_VALUE)
    parts = (
        base64.b64encode(part).decode("ascii") for part in (sealed.wrapped_key, sealed.ciphertext)
    )
    return msgspec.json.encode(_Check(*parts)).decode()


def _secret_place(org_id: str, name: str, version: int) -> Place:
    return ("secret", org_id, name, str(version))


def _values_place(org_id: str, automation_id: str) -> Place:
    return ("values", org_id, automation_id)


def _credential_place(org_id: str, channel_id: str, version: int) -> Place:
    return ("channel", org_id, channel_id, str(version))


def _trigger_place(org_id: str, trigger_id: str, version: int) -> Place:
    return ("trigger", org_id, trigger_id, str(version))


def _sealed(row: SealedRow) -> Sealed:
    return Sealed(row.wrapped_key, row.ciphertext)
