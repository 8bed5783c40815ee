"""Encrypted files in the format age (https://age-encryption.org/v1).

It is a published one, so that a backup opens with the tool `age` too, whatever has become of us.

    age-encryption.org/v1
    -> scrypt SALT LOG2_OF_N      or, once for each recipient: -> X25519 SHARE
    FILE KEY, WRAPPED
    --- HMAC OF THE LINES ABOVE
    16 bytes of nonce, then chunks of 64 KiB, each with 16 bytes of tag

Each chunk is sealed with its number and whether it is the last one: what was cut off, moved, put in
or altered does not open. Nothing of a chunk is handed out before all of it was checked.
"""

from __future__ import annotations

import io
import os
import re
from typing import IO

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from opsicle.domain.errors import InvalidInput
from opsicle.security.age_keys import (
    LockingKey,
    OpeningKey,
    Stanza,
    from_text,
    to_text,
    wrong_key,
)

CHUNK_BYTES = 64 * 1024

_INTRO = b"age-encryption.org/v1"
_TAG_BYTES, _KEY_BYTES, _NONCE_BYTES = 16, 16, 16
_MOST_HEADER_BYTES = 64 * 1024
_END = b"---"
_STANZA = re.compile(
    rb"-> ([!-~]+)((?: [!-~]+)*)\n((?:[A-Za-z0-9+/]{64}\n)*[A-Za-z0-9+/]{0,63}\n)", re.ASCII
)


class EncryptingWriter(io.RawIOBase):
    """Writes what it is given into `target`, encrypted.

    Only `finish` makes it whole: without that it is refused as cut short.
    """

    def __init__(self, target: IO[bytes], key: LockingKey) -> None:
        file_key, nonce = os.urandom(_KEY_BYTES), os.urandom(_NONCE_BYTES)
        self._target = target
        self._chunks = _Chunks(file_key, nonce)
        self._waiting = bytearray()
        self.written = target.write(_header(file_key, key) + nonce)

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

    Raises InvalidInput for another key, for what is no such file, and, also in the midst,
    for what was altered.
    """

    def __init__(self, source: IO[bytes], key: OpeningKey) -> None:
        self._source = source
        file_key = _read_header(source, key)
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


def _header(file_key: bytes, key: LockingKey) -> bytes:
    stanzas = b"".join(stanza.text for stanza in key.wrap(file_key))
    lines = _INTRO + b"\n" + stanzas + _END
    return lines + b" %s\n" % to_text(_mac(file_key, lines).finalize())


def _read_header(source: IO[bytes], key: OpeningKey) -> bytes:
    """Return the key of a file; `source` stands behind its header then."""
    lines = source.readline(len(_INTRO) + 1)
    if lines != _INTRO + b"\n":
        raise InvalidInput(
            "this is no backup: it does not begin as one",
            hint="Name a file that `opsicle backup` has written.",
        )
    last = b""
    while not last.startswith(_END) and len(lines) < _MOST_HEADER_BYTES:
        lines += last
        last = source.readline(_MOST_HEADER_BYTES)
        if not last:
            raise _altered()

    file_key = key.unwrap(_stanzas(lines.removeprefix(_INTRO + b"\n")))
    end, _, stated = last.removesuffix(b"\n").partition(b" ")
    try:
        _mac(file_key, lines + end).verify(from_text(stated))
    except (InvalidSignature, ValueError) as error:
        raise wrong_key() from error
    return file_key


def _stanzas(text: bytes) -> list[Stanza]:
    """Return the stanzas that a text consists of. Raises InvalidInput for any other."""
    stanzas: list[Stanza] = []
    place = 0
    while match := _STANZA.match(text, place):
        kind, arguments, body = match.groups()
        try:
            content = from_text(body.replace(b"\n", b""))
        except ValueError as error:
            raise _altered() from error
        stanzas.append(Stanza(kind, tuple(arguments.split()), content))
        place = match.end()
    if place != len(text) or not stanzas:
        raise _altered()
    return stanzas


def _derive(file_key: bytes, salt: bytes | None, purpose: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt, purpose).derive(file_key)


def _mac(file_key: bytes, lines: bytes) -> hmac.HMAC:
    code = hmac.HMAC(_derive(file_key, None, b"header"), hashes.SHA256())
    code.update(lines)
    return code


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
