"""The files of a spool, and the records that they are made of.

A record is a header (`_HEADER`) and then its bytes of output.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

from opsicle.kit import files

_HEADER = struct.Struct(">IIHBQ")  # crc32 of all that follows, length, phase, stream, at_ms


class LogRecord(NamedTuple):
    """A piece of output of one stream, read at once."""

    phase: int
    stream: int
    at_ms: int
    content: bytes

    @property
    def disk_bytes(self) -> int:
        """Its size in the file."""
        return _HEADER.size + len(self.content)


def encode_record(phase: int, stream: int, at_ms: int, content: bytes) -> bytes:
    """Return a record as it is on the disk, with its checksum."""
    body = _HEADER.pack(0, len(content), phase, stream, at_ms)[4:] + content
    return zlib.crc32(body).to_bytes(4, "big") + body


def parse_records(block: bytes) -> Iterator[LogRecord]:
    """Yield the whole records at the beginning of a block."""
    position = 0
    while position + _HEADER.size <= len(block):
        _, length, phase, stream, at_ms = _HEADER.unpack_from(block, position)
        position += _HEADER.size
        if position + length > len(block) or not length:
            return

        yield LogRecord(phase, stream, at_ms, block[position : position + length])
        position += length


class SpoolSegment:
    """One file of a spool: from which offset of the log to which, and its size in bytes.

    `end` is the offset after its last byte. Without a path it is a file in memory.
    """

    def __init__(self, path: Path | None, start: int) -> None:
        self.path = path
        self.start = self.end = start
        self.size = 0
        if path:
            self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        else:
            self.fd = os.memfd_create("spool", os.MFD_CLOEXEC)

    @classmethod
    def holding(cls, path: Path | None, start: int, record: bytes, length: int) -> Self:
        """Return a new file that has this in it. Raises OSError and leaves nothing behind."""
        segment = cls(path, start)
        try:
            segment.append(record, length)
        except OSError:
            segment.remove()
            raise
        return segment

    def append(self, record: bytes, length: int) -> None:
        """Add a record of `length` bytes of log. Raises OSError and leaves nothing of it behind."""
        try:
            files.write_all(self.fd, record)
        except OSError:
            os.ftruncate(self.fd, self.size)
            raise
        self.size += len(record)
        self.end += length

    def recover(self) -> bool:
        """Find what an earlier run wrote, and cut off what was torn.

        Returns whether nothing was torn.
        """
        content = os.pread(self.fd, os.fstat(self.fd).st_size, 0)
        for record in parse_records(content):
            body = content[self.size + 4 : self.size + record.disk_bytes]
            if zlib.crc32(body) != int.from_bytes(content[self.size : self.size + 4], "big"):
                break
            self.size += record.disk_bytes
            self.end += len(record.content)

        os.ftruncate(self.fd, self.size)
        return self.size == len(content)

    def content(self) -> bytes:
        """Return all records."""
        return os.pread(self.fd, self.size, 0)

    def remove(self) -> None:
        """Close the file and remove it."""
        os.close(self.fd)
        if self.path:
            self.path.unlink(missing_ok=True)
