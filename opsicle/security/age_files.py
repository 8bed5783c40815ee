"""Files encrypted under a passphrase, in the format age (https://age-encryption.org/v1).

It is a published one, so that a backup opens with the tool `age` too, whatever has become of us.

    age-encryption.org/v1
    -> scrypt SALT LOG2_OF_N
    FILE KEY, WRAPPED
    --- HMAC OF THE LINES ABOVE
    16 bytes of nonce, then chunks of 64 KiB, each with 16 bytes of tag

Each chunk is sealed with its number and whether it is the last one: what was cut off, moved, put in
or altered does not open. Nothing of a chunk is handed out before all of it was checked.
"""

from __future__ import annotations

import base64
import binascii
import io
import os
import re
from typing import IO, NamedTuple

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from opsicle.domain.errors import InvalidInput

CHUNK_BYTES = 64 * 1024
WORK_FACTOR = 18
"""The logarithm of scrypt's N, as age itself has it: 256 MiB and half a second for each guess."""

_MOST_WORK = 20
"""A file that asks for more is somebody's attempt to take all memory."""

_INTRO = b"age-encryption.org/v1"
_TAG_BYTES, _KEY_BYTES, _SALT_BYTES, _NONCE_BYTES = 16, 16, 16, 16
_NO_NONCE = bytes(12)
_MOST_HEADER_BYTES = 4096
_STANZA = re.compile(
    rb"-> scrypt ([A-Za-z0-9+/]{22}) ([1-9][0-9]?)\n([A-Za-z0-9+/]{43})\n---", re.ASCII
)


class Passphrase(NamedTuple):
    """What a file is encrypted under. `work_factor` counts only where one is written."""

    text: str
    work_factor: int = WORK_FACTOR

    def __repr__(self) -> str:
        return "Passphrase(…)"


class EncryptingWriter(io.RawIOBase):
    """Writes what it is given into `target`, encrypted.

    Only `finish` makes it whole: without that it is refused as cut short.
    """

    def __init__(self, target: IO[bytes], passphrase: Passphrase) -> None:
        file_key, nonce = os.urandom(_KEY_BYTES), os.urandom(_NONCE_BYTES)
        self._target = target
        self._chunks = _Chunks(file_key, nonce)
        self._waiting = bytearray()
        self.written = target.write(_header(file_key, passphrase) + nonce)

    def writable(self) -> bool:
        """Return whether it can be written to."""
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Take some bytes; whole chunks are passed on once it is known that more follows."""
        self._waiting += data
        while len(self._waiting) > CHUNK_BYTES:
            self._put(bytes(self._waiting[:CHUNK_BYTES]))
            del self._waiting[:CHUNK_BYTES]
        return len(data)

    def finish(self) -> None:
        """Write the last chunk. Nothing may be written behind it."""
        self._put(bytes(self._waiting), is_last=True)

    def _put(self, plain: bytes, *, is_last: bool = False) -> None:
        self.written += self._target.write(self._chunks.seal(plain, is_last=is_last))


class DecryptingReader(io.RawIOBase):
    """Reads what is encrypted in `source`.

    Raises InvalidInput for another passphrase, for what is no such file, and, also in the midst,
    for what was altered.
    """

    def __init__(self, source: IO[bytes], passphrase: Passphrase) -> None:
        self._source = source
        file_key = _read_header(source, passphrase)
        nonce = _read_exactly(source, _NONCE_BYTES)
        if len(nonce) < _NONCE_BYTES:
            raise _altered()
        self._chunks = _Chunks(file_key, nonce)
        self._ahead = _read_exactly(source, CHUNK_BYTES + _TAG_BYTES)
        self._plain = memoryview(b"")
        self._is_over = False

    def readable(self) -> bool:
        """Return whether it can be read from."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Put what comes next into a buffer; 0 bytes only at the end, which was checked then."""
        while not self._plain and not self._is_over:
            self._plain = memoryview(self._open_next())
        count = min(len(buffer), len(self._plain))
        buffer[:count] = self._plain[:count]
        self._plain = self._plain[count:]
        return count

    def _open_next(self) -> bytes:
        sealed, self._ahead = self._ahead, b""
        if len(sealed) == CHUNK_BYTES + _TAG_BYTES:
            self._ahead = _read_exactly(self._source, CHUNK_BYTES + _TAG_BYTES)
        self._is_over = not self._ahead
        try:
            return self._chunks.open(sealed, is_last=self._is_over)
        except InvalidTag as error:
            raise _altered() from error


class _Chunks:
    """Seals and opens one chunk after the other; none can stand in another's place."""

    def __init__(self, file_key: bytes, nonce: bytes) -> None:
        self._cipher = ChaCha20Poly1305(_derive(file_key, nonce, b"payload"))
        self._number = 0

    def seal(self, plain: bytes, *, is_last: bool = False) -> bytes:
        """Return the next chunk sealed."""
        return self._cipher.encrypt(self._nonce(is_last), plain, None)

    def open(self, sealed: bytes, *, is_last: bool) -> bytes:
        """Return what is in the next chunk. Raises InvalidTag."""
        if is_last and self._number and len(sealed) == _TAG_BYTES:
            raise InvalidTag  # an empty last chunk behind others, which nobody has to write
        return self._cipher.decrypt(self._nonce(is_last), sealed, None)

    def _nonce(self, is_last: bool) -> bytes:
        nonce = self._number.to_bytes(11, "big") + bytes([is_last])
        self._number += 1
        return nonce


def _header(file_key: bytes, passphrase: Passphrase) -> bytes:
    salt = os.urandom(_SALT_BYTES)
    wrapping = ChaCha20Poly1305(_stretch(passphrase.text, salt, passphrase.work_factor))
    lines = b"%s\n-> scrypt %s %d\n%s\n---" % (
        _INTRO,
        _to_text(salt),
        passphrase.work_factor,
        _to_text(wrapping.encrypt(_NO_NONCE, file_key, None)),
    )
    return lines + b" %s\n" % _to_text(_mac(file_key, lines).finalize())


def _read_header(source: IO[bytes], passphrase: Passphrase) -> bytes:
    """Return the key of a file; `source` stands behind its header then."""
    intro, *lines = (source.readline(_MOST_HEADER_BYTES) for _ in range(4))
    if intro != _INTRO + b"\n":
        raise InvalidInput(
            "this is no backup: it does not begin as one",
            hint="Name a file that `opsicle backup` has written.",
        )

    text, _, stated = b"".join(lines).rpartition(b" ")
    stanza = _STANZA.fullmatch(text)
    if stanza is None:
        raise InvalidInput(
            "this file is not encrypted under a passphrase, or its head was altered",
            hint="Name a file that `opsicle backup` has written.",
        )

    salt, work_factor, wrapped = stanza.groups()
    if int(work_factor) > _MOST_WORK:
        raise InvalidInput(f"the file asks for a work factor of {int(work_factor)}: it was altered")
    try:
        wrapping = ChaCha20Poly1305(_stretch(passphrase.text, _from_text(salt), int(work_factor)))
        file_key = wrapping.decrypt(_NO_NONCE, _from_text(wrapped), None)
        _mac(file_key, intro + text).verify(_from_text(stated.removesuffix(b"\n")))
    except (InvalidTag, InvalidSignature, binascii.Error) as error:
        raise InvalidInput(
            "the passphrase does not open this backup",
            hint="Give the one with which it was made. If it is that, the file's head was altered.",
        ) from error
    return file_key


def _stretch(passphrase: str, salt: bytes, work_factor: int) -> bytes:
    scrypt = Scrypt(salt=_INTRO + b"/scrypt" + salt, length=32, n=1 << work_factor, r=8, p=1)
    return scrypt.derive(passphrase.encode())


def _derive(file_key: bytes, salt: bytes | None, purpose: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt, purpose).derive(file_key)


def _mac(file_key: bytes, lines: bytes) -> hmac.HMAC:
    code = hmac.HMAC(_derive(file_key, None, b"header"), hashes.SHA256())
    code.update(lines)
    return code


def _to_text(content: bytes) -> bytes:
    return base64.b64encode(content).rstrip(b"=")


def _from_text(text: bytes) -> bytes:
    """Return what a text stands for. Raises binascii.Error unless it is the only one for that."""
    content = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    if _to_text(content) != text:
        raise binascii.Error("not canonical")
    return content


def _read_exactly(source: IO[bytes], size: int) -> bytes:
    """Return so many bytes, fewer only at the end, however few a pipe gives at once."""
    pieces: list[bytes] = []
    while size and (piece := source.read(size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _altered() -> InvalidInput:
    return InvalidInput(
        "the backup was cut short or altered",
        hint="Take another copy of it, or the one before; nothing of it was used.",
    )
