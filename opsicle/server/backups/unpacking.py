"""Writing what a backup holds into a folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Generic, NamedTuple, TypeVar

from opsicle.domain.errors import Conflict, InvalidInput
from opsicle.kit import files
from opsicle.security.age_files import DecryptingReader
from opsicle.security.age_keys import OpeningKey
from opsicle.server.backups.archive import (
    END,
    FORMAT,
    HEAD,
    LOGS,
    ORG_HEAD,
    STATE,
    BackupEnd,
    BackupHead,
    Member,
    OrgHead,
    explained_archive,
    read_json,
    read_members,
)
from opsicle.server.store import migrations

_PIECE_BYTES = 1024 * 1024
_HEADS = {HEAD: BackupHead, ORG_HEAD: OrgHead}


H = TypeVar("H", BackupHead, OrgHead)


class Unpacked(NamedTuple, Generic[H]):
    """What a backup said, and how many files of jobs it held."""

    head: H
    end: BackupEnd
    artifacts: int


@explained_archive()
def unpack(
    source: IO[bytes],
    key: OpeningKey,
    folder: Path,
    on_progress: Callable[[str], None],
    kind: type[H],
) -> Unpacked[H]:
    """Write the members of a backup, or of an org's export, into an empty folder.

    Raises InvalidInput for what is no backup or was cut short or altered, and Conflict for one that
    a newer program has made; some of it may have been written then. Nothing of it is durable yet.
    """
    plain = DecryptingReader(source, key)
    members = read_members(plain)
    head = _read_head(next(members, None), kind)

    end: BackupEnd | None = None
    files_of_jobs = 0
    for member in members:
        on_progress(member.name)
        if member.name == END:
            end = read_json(member, BackupEnd)
        else:
            _write(folder, member)
            files_of_jobs += bool(member.digest)

    while plain.read(_PIECE_BYTES):
        pass  # nothing but the archive's padding; at its end one knows that nothing was cut off

    if end is None or not (folder / STATE).exists():
        raise _not_whole()
    if head.has_logs and LOGS not in end.missing and not (folder / LOGS).exists():
        raise _not_whole()
    return Unpacked(head, end, files_of_jobs)


def _read_head(first: Member | None, kind: type[H]) -> H:
    if first is None or first.name not in _HEADS:
        raise _not_whole()
    if _HEADS[first.name] is not kind:
        raise InvalidInput(
            "this is one org's export" if first.name == ORG_HEAD else "this is a server's backup",
            hint="`opsicle restore` takes backups, `opsicle orgs import` exports of orgs.",
        )
    head: H = read_json(first, kind)
    _check_known(head)
    return head


def _check_known(head: BackupHead | OrgHead) -> None:
    known = migrations.newest_schema()
    if head.format > FORMAT or head.schema > known:
        raise Conflict(
            f"the backup is of a newer Opsicle, {head.version} "
            f"(schema {head.schema}, this one knows {known})",
            hint="Restore it with that one, or a later one.",
        )


def _write(folder: Path, member: Member) -> None:
    path = folder / member.name
    _make_folders(path.parent)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    digest = hashlib.sha256()
    try:
        while piece := member.content.read(_PIECE_BYTES):
            files.write_all(fd, piece)
            digest.update(piece)
    finally:
        os.close(fd)
    if member.digest not in ("", digest.hexdigest()):
        raise InvalidInput(
            f"{member.name} in the backup is not what its name says",
            hint="It was altered, or the disk failed, while the backup was made. "
            "Take the backup before.",
        )


def _make_folders(folder: Path) -> None:
    if not folder.exists():
        _make_folders(folder.parent)
        folder.mkdir(mode=0o700)


def _not_whole() -> InvalidInput:
    return InvalidInput("the backup is not whole", hint="Take the one before, and make another.")
