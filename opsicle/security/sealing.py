"""Sealing what the server must be able to read again.

AES-256-GCM under a key that is kept outside the database.

    sealed = 12 bytes of nonce, ciphertext, 16 bytes of tag

What is sealed is bound to a context, a text that says what it is and whose: moved to another row it
does not open.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from opsicle.domain.errors import Conflict

KEY_BYTES = 32
_NONCE_BYTES = 12


def new_key() -> bytes:
    """Return a fresh key."""
    return os.urandom(KEY_BYTES)


class Seal:
    """Seals and opens under one key."""

    def __init__(self, key: bytes) -> None:
        """Raise Conflict for a key of another length than ours: the file was damaged."""
        if len(key) != KEY_BYTES:
            raise Conflict("the sealing key is damaged", hint="Restore it from a backup.")
        self._cipher = AESGCM(key)

    def close(self, content: bytes, context: str) -> bytes:
        """Return the content sealed, each time differently."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """Return what was sealed.

        Raises Conflict if it was altered, moved, or sealed under another key.
        """
        try:
            return self._cipher.decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode()
            )
        except (InvalidTag, ValueError) as error:
            raise Conflict(
                "the server cannot open what it has sealed: altered, or sealed under another key",
                hint="Restore its key from a backup.",
            ) from error
