"""What files in the format age are encrypted under: a passphrase, or the keys of recipients.

A recipient (`age1…`) is an X25519 key that is no secret; its identity (`AGE-SECRET-KEY-1…`) opens.
`age-keygen` makes both. See https://age-encryption.org/v1.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from opsicle.domain.errors import InvalidInput

WORK_FACTOR = 18
"""The logarithm of scrypt's N, as age itself has it: 256 MiB and half a second for each guess."""

_MOST_WORK = 20
"""A file that asks for more is somebody's attempt to take all memory."""

_SCRYPT, _X25519 = b"scrypt", b"X25519"
_LABEL = b"age-encryption.org/v1/"
_SALT_BYTES = 16
_KEY_BYTES = 32
_NO_NONCE = bytes(12)
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_WORK_FACTOR = re.compile(rb"[1-9][0-9]?", re.ASCII)


class Stanza(NamedTuple):
    """A file's key, wrapped for somebody: how, with what, and the result."""

    kind: bytes
    arguments: tuple[bytes, ...]
    body: bytes

    @property
    def text(self) -> bytes:
        """How it stands in a file. The body is that of one wrapped key, so it fits on a line."""
        return b"-> %s\n%s\n" % (b" ".join((self.kind, *self.arguments)), to_text(self.body))


class LockingKey(Protocol):
    """What a file can be encrypted under."""

    def wrap(self, file_key: bytes) -> list[Stanza]:
        """Return the file's key as only those have it who are meant to."""


class OpeningKey(Protocol):
    """What a file can be opened with."""

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytes:
        """Return the file's key. Raises InvalidInput if none of these is for this one."""


class Passphrase(NamedTuple):
    """A passphrase, which locks and opens. `work_factor` counts only where a file is written."""

    text: str
    work_factor: int = WORK_FACTOR

    def __repr__(self) -> str:
        return "Passphrase(…)"

    def wrap(self, file_key: bytes) -> list[Stanza]:
        """Return the key wrapped under the passphrase, stretched."""
        salt = os.urandom(_SALT_BYTES)
        cipher = ChaCha20Poly1305(self._stretched(salt, self.work_factor))
        arguments = (to_text(salt), b"%d" % self.work_factor)
        return [Stanza(_SCRYPT, arguments, cipher.encrypt(_NO_NONCE, file_key, None))]

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytes:
        """Return the file's key. Raises InvalidInput for another passphrase."""
        if [stanza.kind for stanza in stanzas] != [_SCRYPT]:
            raise InvalidInput(
                "this backup is not encrypted under a passphrase",
                hint="If it is for a recipient, give --identity-file.",
            )
        (stanza,) = stanzas
        try:
            salt, work_factor = stanza.arguments
            if not _WORK_FACTOR.fullmatch(work_factor) or int(work_factor) > _MOST_WORK:
                raise InvalidInput("the backup asks for another work factor than any of ours has")
            cipher = ChaCha20Poly1305(self._stretched(from_text(salt), int(work_factor)))
            return cipher.decrypt(_NO_NONCE, stanza.body, None)
        except (InvalidTag, ValueError) as error:
            raise wrong_key() from error

    def _stretched(self, salt: bytes, work_factor: int) -> bytes:
        scrypt = Scrypt(
            salt=_LABEL + _SCRYPT + salt, length=_KEY_BYTES, n=1 << work_factor, r=8, p=1
        )
        return scrypt.derive(self.text.encode())


class Recipients(NamedTuple):
    """Those who can open a file, each by a key that is no secret."""

    keys: tuple[X25519PublicKey, ...]

    @classmethod
    def from_texts(cls, texts: Sequence[str]) -> Recipients:
        """Raise InvalidInput for what is no `age1…`."""
        return cls(tuple(map(_recipient, texts)))

    def wrap(self, file_key: bytes) -> list[Stanza]:
        """Return the key wrapped once for each of them."""
        return [self._wrap(key, file_key) for key in self.keys]

    @staticmethod
    def _wrap(key: X25519PublicKey, file_key: bytes) -> Stanza:
        ephemeral = X25519PrivateKey.generate()
        share = ephemeral.public_key().public_bytes_raw()
        cipher = _x25519_cipher(ephemeral.exchange(key), share, key.public_bytes_raw())
        return Stanza(_X25519, (to_text(share),), cipher.encrypt(_NO_NONCE, file_key, None))


class Identities(NamedTuple):
    """The secret keys of recipients."""

    keys: tuple[X25519PrivateKey, ...]

    def __repr__(self) -> str:
        return "Identities(…)"

    @classmethod
    def from_text(cls, text: str) -> Identities:
        """Read a file as `age-keygen` writes it.

        Raises InvalidInput, which quotes nothing of it.
        """
        lines = [line.strip() for line in text.splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        try:
            keys = tuple(
                X25519PrivateKey.from_private_bytes(_from_bech32("age-secret-key-", line.lower()))
                for line in lines
            )
        except ValueError:
            keys = ()
        if not keys:
            raise InvalidInput(
                "the identity file holds no key of age", hint="`age-keygen` writes such a file."
            )
        return cls(keys)

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytes:
        """Return the file's key. Raises InvalidInput if it is for none of these keys."""
        if not any(stanza.kind == _X25519 for stanza in stanzas):
            raise InvalidInput(
                "this backup is not for a recipient",
                hint="If it is encrypted under a passphrase, give --passphrase-file.",
            )
        for stanza in stanzas:
            for key in self.keys:
                if stanza.kind == _X25519 and (file_key := self._unwrap(key, stanza)):
                    return file_key
        raise wrong_key()

    @staticmethod
    def _unwrap(key: X25519PrivateKey, stanza: Stanza) -> bytes | None:
        try:
            share = from_text(stanza.arguments[0])
            shared = key.exchange(X25519PublicKey.from_public_bytes(share))
            cipher = _x25519_cipher(shared, share, key.public_key().public_bytes_raw())
            return cipher.decrypt(_NO_NONCE, stanza.body, None)
        except (InvalidTag, ValueError, IndexError):
            return None


def to_text(content: bytes) -> bytes:
    """Return base64 as age has it, without padding."""
    return base64.b64encode(content).rstrip(b"=")


def from_text(text: bytes) -> bytes:
    """Return what a text stands for. Raises ValueError unless it is the only one for that."""
    content = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    if to_text(content) != text:
        raise binascii.Error("not canonical")
    return content


def wrong_key() -> InvalidInput:
    """Return the error for a key that does not open a file."""
    return InvalidInput(
        "the passphrase or identity does not open this backup",
        hint="Give the one with which it was made. If it is that, the file's head was altered.",
    )


def _x25519_cipher(shared: bytes, share: bytes, recipient: bytes) -> ChaCha20Poly1305:
    key = HKDF(hashes.SHA256(), _KEY_BYTES, share + recipient, _LABEL + _X25519).derive(shared)
    return ChaCha20Poly1305(key)


def _recipient(text: str) -> X25519PublicKey:
    try:
        return X25519PublicKey.from_public_bytes(_from_bech32("age", text))
    except ValueError as error:
        raise InvalidInput(
            f"{text[:80]!r} is no recipient of age",
            hint="It looks like age1…, and `age-keygen -y` prints it.",
        ) from error


def _from_bech32(prefix: str, text: str) -> bytes:
    """Return what a text in Bech32 (BIP 173) stands for. Raises ValueError."""
    found, _, digits = text.rpartition("1")
    if found != prefix or len(digits) < 6 or not set(digits) <= set(_BECH32):
        raise ValueError("not Bech32")
    values = [_BECH32.index(digit) for digit in digits]
    expanded = [ord(each) >> 5 for each in prefix] + [0] + [ord(each) & 31 for each in prefix]
    if _checksum(expanded + values) != 1:
        raise ValueError("a digit is wrong")

    number = int("".join(f"{value:05b}" for value in values[:-6]) or "0", 2)
    spare = 5 * (len(values) - 6) % 8
    if number & ((1 << spare) - 1):
        raise ValueError("bits are left")
    return (number >> spare).to_bytes(5 * (len(values) - 6) // 8, "big")


def _checksum(values: Sequence[int]) -> int:
    """Return the checksum of Bech32 over values of five bits: 1 where it is right."""
    result = 1
    for value in values:
        top = result >> 25
        result = (result & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(_GENERATORS):
            result ^= generator if top >> place & 1 else 0
    return result
