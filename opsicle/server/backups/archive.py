"""What stands in a backup: a tar archive whose members are called as in a data folder.

    backup.json                what it is a backup of
    authority.pem, …           keys
    opsicle.db, logs.db
    artifacts/ORG/ab/abcd…     files, by the SHA-256 of what is in them
    end.json                   what was left out; without it the archive is not whole

So `age -d backup | tar x` makes a data folder of it by hand.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import IO, Any, NamedTuple

import msgspec

from opsicle.domain.errors import InvalidInput
from opsicle.security.age_files import DecryptingReader, EncryptingWriter
from opsicle.server.contents.content_store import relative_path

FORMAT = 1
HEAD, ORG_HEAD, END = "backup.json", "org.json", "end.json"
"""The first member of a whole server's backup, that of one org's export, the last one of both."""

STATE, LOGS = "opsicle.db", "logs.db"
KEYS = frozenset(
    {
        "authority.pem",
        "audit.pem",
        "orders.pem",
        "binding.key",
        "identity.key",
        "master.key",
        "master.key.next",
    }
)

_FIRST = (HEAD, ORG_HEAD, *sorted(KEYS), STATE, LOGS)
"""What a backup has at most once each, in this order, before the artifacts."""

_ARTIFACT = re.compile(r"artifacts/[0-9a-z]{26}/([0-9a-f]{2})/(\1[0-9a-f]{62})", re.ASCII)
_MOST_JSON_BYTES = 64 * 1024 * 1024
_MODE = 0o600


class BackupHead(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup is of. `version` is the program's that made it."""

    format: int = FORMAT
    version: str
    created_at: datetime
    schema: int
    epoch: int
    ca_fingerprint: str
    has_logs: bool
    has_artifacts: bool


class OrgHead(msgspec.Struct, frozen=True, kw_only=True):
    """What an export of an org is of; `version`, `schema` and `ca_fingerprint` are its server's.

    `audit_key_pem` is the public key that has signed the org's record.
    """

    format: int = FORMAT
    version: str
    created_at: datetime
    schema: int
    ca_fingerprint: str
    audit_key_pem: str
    org_id: str
    code: str
    epoch: int = 1
    has_logs: bool = True


class BackupEnd(msgspec.Struct, frozen=True, kw_only=True):
    """What the server had lost when the backup was made, by the names that it would have had."""

    missing: tuple[str, ...] = ()


class Member(NamedTuple):
    """A file in a backup. `digest` is the SHA-256 that it must have, "" where its name has none."""

    name: str
    size: int
    digest: str
    content: IO[bytes]


def artifact_name(org_id: str, sha256: str) -> str:
    """Return where a file is, in a data folder and in its backups alike."""
    return f"artifacts/{relative_path(org_id, sha256)}"


class ArchiveWriter:
    """Writes a backup's members into a stream."""

    def __init__(self, target: EncryptingWriter) -> None:
        self._tar = tarfile.open(  # noqa: SIM115 - `close` does
            fileobj=target, mode="w|", format=tarfile.PAX_FORMAT
        )

    def add_json(self, name: str, value: msgspec.Struct) -> None:
        """Add a value."""
        self.add_bytes(name, msgspec.json.encode(value))

    def add_bytes(self, name: str, content: bytes) -> None:
        """Add a small file."""
        self.add(name, len(content), io.BytesIO(content))

    def add(self, name: str, size: int, content: IO[bytes]) -> None:
        """Add a file of this size. Raises OSError if it turns out to be shorter."""
        member = tarfile.TarInfo(name)
        member.size, member.mode = size, _MODE
        with self._given_up():
            self._tar.addfile(member, content)
        self._tar.members.clear()  # type: ignore[attr-defined]  # a million would take a gigabyte

    def close(self) -> None:
        """Write the archive's end."""
        with self._given_up():
            self._tar.close()

    @contextmanager
    def _given_up(self) -> Iterator[None]:
        """Write nothing more once something has failed, as the stream would when it is let go."""
        try:
            yield
        except BaseException:
            self._tar.fileobj.closed = True  # type: ignore[attr-defined]
            raise


def read_members(source: DecryptingReader) -> Iterator[Member]:
    """Return the members behind the head, each to be read before the next one is asked for.

    Only names of a backup, each once, in their order, and regular files: whatever else stands there
    was not written by us. Raises InvalidInput, what reading `source` does, and, as reading a member
    may, what `explained_archive` makes an InvalidInput.
    """
    place = -1
    last = ""
    with tarfile.open(fileobj=source, mode="r|") as tar:
        while (info := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]
            place, before = _place_of(info), place
            content = tar.extractfile(info)
            if content is None or place < before or (info.name <= last and place == before):
                raise _foreign(info.name)
            last = info.name
            artifact = _ARTIFACT.fullmatch(info.name)
            yield Member(info.name, info.size, artifact[2] if artifact else "", content)


@contextmanager
def explained_archive() -> Iterator[None]:
    """Raise InvalidInput for what `tarfile` does not understand, in a head or in a member's midst.

    Of extended headers that hold nonsense it raises whatever its own code stumbles over.
    """
    try:
        yield
    except (tarfile.TarError, ValueError, LookupError) as error:
        raise InvalidInput("the backup holds no archive that can be read") from error


def read_json(member: Member, kind: type[Any]) -> Any:
    """Return a member's value. Raises InvalidInput."""
    if member.size > _MOST_JSON_BYTES:
        raise InvalidInput(f"{member.name} in the backup is too large")
    try:
        return msgspec.json.decode(member.content.read(), type=kind)
    except msgspec.MsgspecError as error:
        raise InvalidInput(
            f"{member.name} in the backup cannot be read: {error}",
            hint="A newer Opsicle may have made it: restore it with that one.",
        ) from error


def _place_of(info: tarfile.TarInfo) -> int:
    """Return where in the order a member belongs; all artifacts have the same place."""
    is_file = info.type == tarfile.REGTYPE and not info.issparse()
    if is_file and info.name in _FIRST:
        return _FIRST.index(info.name)
    if is_file and _ARTIFACT.fullmatch(info.name):
        return len(_FIRST)
    if is_file and info.name == END:
        return len(_FIRST) + 1
    raise _foreign(info.name)


def _foreign(name: str) -> InvalidInput:
    return InvalidInput(
        f"the backup holds {name[:200]!r}, which no backup has there",
        hint="It was not made by `opsicle backup`; nothing of it was used.",
    )
