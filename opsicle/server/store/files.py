"""SQL of files that people upload, and of those that automations are given."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import apsw
import msgspec

from opsicle.domain.files import FileValue, InputFile
from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_one, json_list


class UploadRow(Row, frozen=True):
    """A file that somebody has uploaded."""

    id: str
    org_id: str
    user_id: str
    name: str
    size: int
    sha256: str
    created_at: datetime

    @property
    def value(self) -> FileValue:
        """The file as the value of a variable."""
        return FileValue(self.sha256, self.size, self.name)


class UnusedUploads(Row, frozen=True):
    """What somebody has uploaded and no automation has used."""

    count: int
    size: int


class AutomationFileRow(Row, frozen=True):
    """A file that an automation is given. `problem`: what was found wrong with it since."""

    id: str
    org_id: str
    automation_id: str
    variable: str
    position: int
    name: str
    size: int
    sha256: str
    problem: str

    @property
    def value(self) -> FileValue:
        """The file as the value of a variable."""
        return FileValue(self.sha256, self.size, self.name)


_SELECT = """
    SELECT f.id, f.org_id, f.automation_id, f.variable, f.position, f.name, f.size, f.sha256,
           coalesce(c.problem, '')
      FROM automation_files f
      LEFT JOIN contents c ON c.org_id = f.org_id AND c.sha256 = f.sha256
"""


def insert_upload(db: apsw.Connection, row: UploadRow) -> None:
    """Note a file that somebody has uploaded."""
    db.execute(
        """
        INSERT INTO uploads (id, org_id, user_id, name, size, sha256, created_at)
        VALUES (:id, :org_id, :user_id, :name, :size, :sha256, :at)
        """,
        {**msgspec.structs.asdict(row), "at": to_text(row.created_at)},
    )


def find_upload(
    db: apsw.Connection, org_id: str, user_id: str, upload_id: str, since: datetime
) -> UploadRow | None:
    """Return what somebody has uploaded since a time, or None."""
    return fetch_one(
        db,
        """
        SELECT id, org_id, user_id, name, size, sha256, created_at
          FROM uploads
         WHERE id = :id AND org_id = :org_id AND user_id = :user_id AND created_at >= :since
        """,
        {"id": upload_id, "org_id": org_id, "user_id": user_id, "since": to_text(since)},
        UploadRow,
    )


def count_unused(db: apsw.Connection, org_id: str, user_id: str) -> UnusedUploads:
    """Return how much somebody has uploaded that nothing has used."""
    found = fetch_one(
        db,
        """
        SELECT count(*), coalesce(sum(size), 0)
          FROM uploads
         WHERE org_id = :org_id AND user_id = :user_id AND used_at IS NULL
        """,
        {"org_id": org_id, "user_id": user_id},
        UnusedUploads,
    )
    assert found is not None
    return found


def note_use(db: apsw.Connection, upload_ids: Iterable[str], at: datetime) -> None:
    """Note that an automation has taken uploads."""
    db.execute(
        """
        UPDATE uploads
           SET used_at = :at
         WHERE id IN (SELECT value FROM json_each(:ids)) AND used_at IS NULL
        """,
        {"ids": json_list(upload_ids), "at": to_text(at)},
    )


def delete_uploads_before(db: apsw.Connection, before: datetime, limit: int) -> int:
    """Forget up to `limit` uploads of before a time; return how many there were."""
    db.execute(
        """
        DELETE FROM uploads
         WHERE id IN (SELECT id
                        FROM uploads
                       WHERE created_at < :before
                       ORDER BY created_at LIMIT :limit)
        """,
        {"before": to_text(before), "limit": limit},
    )
    return db.changes()


def insert(
    db: apsw.Connection, org_id: str, automation_id: str, file_id: str, file: InputFile
) -> None:
    """Give a file to an automation."""
    db.execute(
        """
        INSERT INTO automation_files
            (id, org_id, automation_id, variable, position, name, size, sha256)
        VALUES
            (:id, :org_id, :automation_id, :variable, :position, :name, :size, :sha256)
        """,
        {
            **msgspec.structs.asdict(file),
            "id": file_id,
            "org_id": org_id,
            "automation_id": automation_id,
        },
    )


def list_of_automation(db: apsw.Connection, automation_id: str) -> list[AutomationFileRow]:
    """Return the files that an automation is given."""
    return fetch_all(
        db,
        _SELECT + "WHERE f.automation_id = :automation_id ORDER BY f.variable, f.position",
        {"automation_id": automation_id},
        AutomationFileRow,
    )


def find_by_id(db: apsw.Connection, org_id: str, file_id: str) -> AutomationFileRow | None:
    """Return a file that an automation of an org is given, or None."""
    sql = _SELECT + "WHERE f.id = :id AND f.org_id = :org_id"
    return fetch_one(db, sql, {"id": file_id, "org_id": org_id}, AutomationFileRow)
