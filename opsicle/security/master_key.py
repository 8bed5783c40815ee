"""The key that encrypts everything secret in the database, and the envelope that it makes.

Every value gets a data key of its own: AES-256-GCM, the data key wrapped under the master key in
the same way. A new master key therefore means to wrap the data keys anew; the values stay as they
are. What an envelope belongs to (its `place`) is authenticated with both, so that one that is moved
to another place no longer opens.
"""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass, field
from typing import Self

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12

Place = tuple[str, ...]
"""What an envelope belongs to: its kind first, as in ("secret", org id, name, version)."""


class CannotOpen(Exception):
    """An envelope was sealed under another key, belongs to another place, or was altered.

    Nobody can tell which.
    """


class Sealed(msgspec.Struct, frozen=True):
    """An encrypted value, and its data key under the master key, each after its nonce."""

    wrapped_key: bytes
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class MasterKey:
    """256 random bits that never stand in the database."""

    key: bytes = field(repr=False)

    @classmethod
    def create(cls) -> Self:
        """Return a new one."""
        return cls(AESGCM.generate_key(KEY_BYTES * 8))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the key in a file's text. Raises ValueError if that is none."""
        try:
            key = base64.b64decode(text.strip(), validate=True)
        except binascii.Error as error:
            raise ValueError("not base64") from error
        if len(key) != KEY_BYTES:
            raise ValueError(f"{len(key)} bytes instead of {KEY_BYTES}")
        return cls(key)

    @property
    def text(self) -> str:
        """What its file holds: base64 and a line break."""
        return base64.b64encode(self.key).decode("ascii") + "\n"

    def seal(self, place: Place, value: bytes) -> Sealed:
        """Encrypt a value under a fresh data key."""
        data_key = AESGCM.generate_key(KEY_BYTES * 8)
        return Sealed(
            _encrypt(self.key, b"key", place, data_key), _encrypt(data_key, b"value", place, value)
        )

    def open(self, place: Place, sealed: Sealed) -> bytes:
        """Return the value in an envelope. Raises CannotOpen."""
        return _decrypt(self._data_key(place, sealed), b"value", place, sealed.ciphertext)

    def rewrap(self, place: Place, sealed: Sealed, new: MasterKey) -> Sealed:
        """Return the same value under a new master key. Raises CannotOpen."""
        data_key = self._data_key(place, sealed)
        return Sealed(_encrypt(new.key, b"key", place, data_key), sealed.ciphertext)

    def _data_key(self, place: Place, sealed: Sealed) -> bytes:
        return _decrypt(self.key, b"key", place, sealed.wrapped_key)


def _encrypt(key: bytes, purpose: bytes, place: Place, content: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, content, _bound_to(purpose, place))


def _decrypt(key: bytes, purpose: bytes, place: Place, content: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(
            content[:NONCE_BYTES], content[NONCE_BYTES:], _bound_to(purpose, place)
        )
    except (InvalidTag, ValueError) as error:
        raise CannotOpen from error


def _bound_to(purpose: bytes, place: Place) -> bytes:
    """Return the associated data; each part with its length, so that no two places look alike."""
    parts = (purpose, *(part.encode() for part in place))
    return b"opsicle sealed 1" + b"".join(len(part).to_bytes(4, "big") + part for part in parts)
