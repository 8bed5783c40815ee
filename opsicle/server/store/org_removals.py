"""SQL of removing an org: everything that is of it, in steps that are bounded in rows.

What belongs to automations goes with them, by their indexes (`store/retention.py`). All other rows
name their org in `org_id`, and so are found in every table that has such a column: one that comes
later is removed without being named here. The few that reach their org by something of it are in
`_THROUGH`. Units of work that remove do not have references looked up (`Database.write_unchecked`):
that would walk through tables of millions, and all that refers goes too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from graphlib import TopologicalSorter

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import (
    Row,
    fetch_all,
    fetch_column,
    fetch_one,
    fetch_value,
    json_list,
)

_THROUGH = {
    "notice_preferences": "channel_id IN (SELECT id FROM channels WHERE org_id = :org_id)",
    "link_codes": "channel_id IN (SELECT id FROM channels WHERE org_id = :org_id)",
    "trigger_receipts": "trigger_id IN (SELECT id FROM triggers WHERE org_id = :org_id)",
}
"""Tables without an org, and which of their rows are of one all the same."""

_WITH_AUTOMATIONS = frozenset({
    "approval_decisions", "approvals", "artifacts", "automation_files", "automations", "call_waits",
    "calls", "chain_starts", "fan_out_members", "jobs", "orders", "sealed_values",
})  # fmt: skip
"""Tables that nothing of an org is left in once its automations have gone: none is looked through
for more."""

_LAST = frozenset({"memberships", "org_removals"})
"""What is removed apart from the others: with people's accounts, and at the very end."""


class RemovalRow(Row, frozen=True):
    """An org that is being removed, and how far that is."""

    org_id: str
    code: str
    asked_by: str
    begun_at: datetime
    automations: int
    removed: int
    rows_removed: int
    log_bytes: int
    artifact_bytes: int


_SELECT = """
    SELECT org_id, code, asked_by, begun_at, automations, removed, rows_removed, log_bytes,
           artifact_bytes
      FROM org_removals
"""


def begin(db: apsw.Connection, row: RemovalRow) -> None:
    """Note that an org is being removed: from now on the database lets all of it go."""
    db.execute(
        """
        INSERT INTO org_removals
            (org_id, code, asked_by, begun_at, automations, log_bytes, artifact_bytes)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        """,
        (
            row.org_id,
            row.code,
            row.asked_by,
            to_text(row.begun_at),
            row.automations,
            row.log_bytes,
            row.artifact_bytes,
        ),
    )


def list_all(db: apsw.Connection) -> list[RemovalRow]:
    """Return the orgs that are just being removed."""
    return fetch_all(db, _SELECT + "ORDER BY org_id", {}, RemovalRow)


def list_recorded(db: apsw.Connection) -> list[str]:
    """Return the orgs whose removal has ever begun, as the server's own record has it."""
    sql = """
        SELECT data ->> 'id'
          FROM audit_entries INDEXED BY audit_entries_by_verb
         WHERE org_id = '' AND verb = 'begin_removal'
           AND verb <> 'run' AND verb <> 'start' AND verb <> 'finish'
    """
    return fetch_column(db, sql, {})


def find(db: apsw.Connection, org_id: str) -> RemovalRow | None:
    """Return how far the removal of an org is, None if it is not under way."""
    return fetch_one(db, _SELECT + "WHERE org_id = :org_id", {"org_id": org_id}, RemovalRow)


def count(db: apsw.Connection, org_id: str, automations: int, rows: int) -> None:
    """Count what has gone."""
    db.execute(
        """
        UPDATE org_removals
           SET removed = removed + :automations, rows_removed = rows_removed + :rows
         WHERE org_id = :org_id
        """,
        {"org_id": org_id, "automations": automations, "rows": rows},
    )


def list_own_workers(db: apsw.Connection, org_id: str) -> list[str]:
    """Return the ids of an org's own workers."""
    sql = "SELECT id FROM workers WHERE org_id = :org_id AND NOT is_shared"
    return fetch_column(db, sql, {"org_id": org_id})


def shut_out(db: apsw.Connection, org_id: str, heir_id: str) -> None:
    """Let nobody and nothing of an org in any more. What is shared goes on as another org's."""
    given = {"org_id": org_id, "heir_id": heir_id}
    for statement in (
        "DELETE FROM sessions WHERE org_id = :org_id",
        "DELETE FROM tokens WHERE org_id = :org_id",
        "UPDATE workers SET org_id = :heir_id WHERE org_id = :org_id AND is_shared",
        "UPDATE join_tokens SET org_id = :heir_id WHERE org_id = :org_id AND is_shared",
        "UPDATE workers SET state = 'revoked' WHERE org_id = :org_id",
    ):
        db.execute(statement, given)


def list_automations(db: apsw.Connection, org_id: str, limit: int) -> list[str]:
    """Return some automations of an org."""
    sql = "SELECT id FROM automations WHERE org_id = :org_id ORDER BY id LIMIT :limit"
    return fetch_column(db, sql, {"org_id": org_id, "limit": limit})


def list_tables(db: apsw.Connection) -> list[str]:
    """Return the tables that rows of an org may be left in once its automations have gone.

    What refers to another table stands before it: after no step is there a reference to nothing,
    with which no server would start again, and no backup be made.
    """
    named = fetch_column(
        db,
        """
        SELECT m.name
          FROM sqlite_schema m
          JOIN pragma_table_info(m.name) c ON c.name = 'org_id'
         WHERE m.type = 'table'
         ORDER BY m.name
        """,
        {},
    )
    wanted = [*_THROUGH, *(name for name in named if name not in _WITH_AUTOMATIONS | _LAST)]

    order: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(wanted, ()))
    for name in wanted:
        sql = 'SELECT DISTINCT "table" FROM pragma_foreign_key_list(:name)'
        for referred in fetch_column(db, sql, {"name": name}):
            order.add(referred, name)
    return [name for name in order.static_order() if name in wanted]


def delete_some(db: apsw.Connection, table: str, org_id: str, limit: int) -> int:
    """Remove some rows of an org from a table; return how many that were."""
    keys = fetch_column(db, "SELECT name FROM pragma_table_info(:table) WHERE pk > 0 ORDER BY pk",
                        {"table": table})  # fmt: skip
    key = ", ".join(keys) or "rowid"
    condition = _THROUGH.get(table, "org_id = :org_id")
    db.execute(
        f"DELETE FROM {table} WHERE ({key}) IN "  # noqa: S608 - names of the schema
        f"(SELECT {key} FROM {table} WHERE {condition} LIMIT :limit)",
        {"org_id": org_id, "limit": limit},
    )
    return db.changes()


def list_members(db: apsw.Connection, org_id: str, limit: int) -> list[str]:
    """Return some people and service accounts of an org."""
    sql = "SELECT user_id FROM memberships WHERE org_id = :org_id ORDER BY user_id LIMIT :limit"
    return fetch_column(db, sql, {"org_id": org_id, "limit": limit})


def delete_members(db: apsw.Connection, org_id: str, user_ids: Sequence[str]) -> int:
    """End memberships, and erase the accounts of who belongs to no other org, nor runs the server.

    Of such an account an id is left, which what it did in other orgs may name.
    """
    given = {"org_id": org_id, "ids": json_list(user_ids)}
    db.execute(
        """
        DELETE FROM memberships
         WHERE org_id = :org_id AND user_id IN (SELECT value FROM json_each(:ids))
        """,
        given,
    )
    ended = db.changes()
    left = fetch_column(
        db,
        """
        SELECT u.id
          FROM users u
         WHERE u.id IN (SELECT value FROM json_each(:ids)) AND NOT u.is_server_operator
           AND NOT EXISTS (SELECT 1 FROM memberships m WHERE m.user_id = u.id)
        """,
        given,
    )
    gone = {"ids": json_list(left)}
    for statement in (
        "DELETE FROM login_attempts WHERE account IN (SELECT email FROM users"
        " WHERE id IN (SELECT value FROM json_each(:ids)))",
        "DELETE FROM authenticators WHERE user_id IN (SELECT value FROM json_each(:ids))",
        "DELETE FROM recovery_codes WHERE user_id IN (SELECT value FROM json_each(:ids))",
        "DELETE FROM password_resets WHERE user_id IN (SELECT value FROM json_each(:ids))",
        "UPDATE users SET email = id || '@erased.invalid', former_email = NULL, name = '',"
        " password_hash = '-' WHERE id IN (SELECT value FROM json_each(:ids))",
    ):
        db.execute(statement, gone)
    return ended


def find_heir(db: apsw.Connection, org_id: str) -> str:
    """Return the oldest other org that is not to be deleted as well, "" if there is none."""
    sql = "SELECT min(id) FROM orgs WHERE id <> :org_id AND delete_at IS NULL"
    return fetch_value(db, sql, {"org_id": org_id}) or ""


def finish(db: apsw.Connection, org_id: str) -> None:
    """Remove the org itself."""
    db.execute("DELETE FROM orgs WHERE id = :org_id", {"org_id": org_id})
    db.execute("DELETE FROM org_removals WHERE org_id = :org_id", {"org_id": org_id})
