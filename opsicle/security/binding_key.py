"""The key by which the server recognises what it has bound, whatever the database says.

HMAC-SHA256: who makes a code and who checks it is the same server, so a public half would be of no
use to anybody. What others can check is the audit record, in which each code stands.
"""

from __future__ import annotations

import hmac
import os

from opsicle.domain.errors import Conflict

KEY_BYTES = 32

_AUTOMATION = b"opsicle automation 1\n"
_DECISION = b"opsicle decision 1\n"
_PAUSE = b"opsicle pause 1\n"
_ORDER_KEY = b"opsicle order key 1\n"
_FINGERPRINT = b"opsicle binding key 1\n"
"""Stand before what is authenticated, so that no code for one purpose is taken for another's."""


class BindingKey:
    """Makes and checks message authentication codes, in hex.

    The key is 32 random bytes in a file of mode 0600.
    """

    def __init__(self, key: bytes) -> None:
        """Raise Conflict for a key of another length: the file was damaged."""
        if len(key) != KEY_BYTES:
            raise Conflict("binding.key is damaged", hint="Restore it from a backup.")
        self._key = key
        self.fingerprint = self._code(_FINGERPRINT)

    @classmethod
    def create(cls) -> BindingKey:
        """Return a new key."""
        return cls(os.urandom(KEY_BYTES))

    @property
    def content(self) -> bytes:
        """What its file holds."""
        return self._key

    def of_automation(self, content: bytes) -> str:
        """Return the code of what an automation is bound to."""
        return self._code(_AUTOMATION + content)

    def of_decision(self, content: bytes) -> str:
        """Return the code of one person's decision on one gate."""
        return self._code(_DECISION + content)

    def of_pause(self, content: bytes) -> str:
        """Return the code of what people are asked in the midst of a job."""
        return self._code(_PAUSE + content)

    def of_order_key(self, content: bytes) -> str:
        """Return the code of a public key by which orders are verified."""
        return self._code(_ORDER_KEY + content)

    def _code(self, content: bytes) -> str:
        return hmac.digest(self._key, content, "sha256").hex()


def is_same(one: str, other: str) -> bool:
    """Compare two codes in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())
