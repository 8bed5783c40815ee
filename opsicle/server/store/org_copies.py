"""Taking one org's rows out of a copy of a database, and adding them to another server's.

What an org takes along is a database of its own with the same schema: migrations bring an older one
up to date, and no row is ever in memory with all others. Its triggers are left out while rows are
put into it or changed: they say what may become of rows that live.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

import apsw

from opsicle.domain.errors import Conflict
from opsicle.kit.clock import to_text
from opsicle.server.store import migrations
from opsicle.server.store.authenticators import AuthenticatorRow
from opsicle.server.store.inspection import open_untouched
from opsicle.server.store.org_tables import RIGHTS, USERS
from opsicle.server.store.rows import fetch_all

OnRows = Callable[[str], None]

_IS_ERASED = "email = id || '@erased.invalid'"
"""What `org_removals.delete_members` leaves of an account."""

MOVED = "its org was moved to another server"


class DraftAccount(NamedTuple):
    """A member's account, as it comes along."""

    id: str
    email: str
    is_member: bool


class EndedWork(NamedTuple):
    """The automations that were not over: those that had waited, and those that had begun."""

    cancelled: tuple[str, ...]
    unknown: tuple[str, ...]


def copy_rows(
    source: Path, target: Path, org_id: str, tables: Mapping[str, str], on_rows: OnRows
) -> None:
    """Copy the rows of an org into a database of the same schema that has none of them.

    Where one of the tables names a person, that one's account goes along.
    """
    with draft(target), closing(open_untouched(source)) as db:
        db.execute("ATTACH ? AS org", (str(target),))
        db.execute("BEGIN")
        for table, condition in _with_users(db, tables).items():
            on_rows(table)
            names = columns_of(db, table)
            db.execute(f"DELETE FROM org.{table}")  # noqa: S608 - what migrations have put there
            db.execute(
                f"INSERT INTO org.{table} ({names}) SELECT {names} FROM main.{table}"  # noqa: S608
                f" WHERE {condition}",
                {"org": org_id},
            )
        db.execute("COMMIT")
        db.execute("DETACH org")


def _with_users(db: apsw.Connection, tables: Mapping[str, str]) -> dict[str, str]:
    """Return the tables, with that of the accounts which any of their rows refers to."""
    named = [
        f"SELECT {key[3]} FROM {table} WHERE ({condition})"  # noqa: S608 - names of the schema
        for table, condition in tables.items()
        for key in db.execute(f"PRAGMA foreign_key_list({table})").fetchall()
        if key[2] == USERS
    ]
    return {**tables, USERS: f"id IN ({' UNION '.join(named)})"} if named else dict(tables)


def add_rows(db: apsw.Connection, source: Path, tables: Iterable[str], on_rows: OnRows) -> None:
    """Add all rows of a draft to a database, in the transaction that is open there.

    References are looked at when that commits. Raises Conflict where an identifier is taken.
    """
    db.execute("PRAGMA defer_foreign_keys = ON")
    with closing(open_untouched(source)) as rows:
        for table in tables:
            on_rows(table)
            names = columns_of(db, table)
            placeholders = ", ".join("?" for _ in names.split(", "))
            sql = f"INSERT INTO {table} ({names}) VALUES ({placeholders})"  # noqa: S608
            sql += _back_to_its_own(names) if table == USERS else ""
            try:
                db.executemany(sql, rows.execute(f"SELECT {names} FROM {table}"))  # noqa: S608
            except apsw.ConstraintError as error:
                raise Conflict(
                    f"what the export holds of {table} is on this server already, or another's",
                    hint="An org can be imported once. Nothing was changed.",
                ) from error


def _back_to_its_own(names: str) -> str:
    """Return what becomes of an account that is here by its id: erased, it is itself again.

    Any other stays as it is here.
    """
    values = ", ".join(f"{name} = excluded.{name}" for name in names.split(", ") if name != "id")
    return f" ON CONFLICT (id) DO UPDATE SET {values} WHERE {USERS}.{_IS_ERASED}"


def columns_of(db: apsw.Connection, table: str) -> str:
    """Return the columns that hold something: those that are computed do so by themselves."""
    rows = db.execute(f"PRAGMA table_xinfo({table})").fetchall()
    return ", ".join(str(row[1]) for row in rows if row[6] == 0)


def is_made_by(steps: Path, database: Path) -> bool:
    """Return whether a database has just the tables, indexes and triggers that migrations make.

    What comes from elsewhere may hold any: a trigger that acts, a name that is a statement.
    """
    return _schema(database) == _schema_made_by(steps)


@cache
def _schema_made_by(steps: Path) -> frozenset[tuple[object, ...]]:
    with tempfile.TemporaryDirectory(prefix="opsicle-schema-") as folder:
        migrations.migrate(Path(folder) / "model.db", steps)
        return _schema(Path(folder) / "model.db")


def _schema(database: Path) -> frozenset[tuple[object, ...]]:
    with closing(open_untouched(database)) as db:
        rows = db.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema")
        return frozenset(rows.fetchall())


@contextmanager
def draft(database: Path) -> Iterator[apsw.Connection]:
    """Open a database that nobody else uses, without its triggers, which are put back then."""
    with closing(apsw.Connection(str(database))) as db:
        db.execute("PRAGMA synchronous = OFF")
        triggers = db.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
        ).fetchall()
        for name, _ in triggers:
            db.execute(f"DROP TRIGGER {name}")
        yield db
        for _, sql in triggers:
            db.execute(str(sql))


def count(db: apsw.Connection, table: str) -> int:
    """Return how many rows a table of a draft has."""
    row = db.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - a name of ours
    return int(row[0]) if row else 0


def retire_workers(db: apsw.Connection, org_id: str) -> None:
    """Let no worker come along but as a name in the history: their certificates end here.

    A shared one that has worked for the org is the org's from now on.
    """
    db.execute(
        """
        UPDATE workers
           SET org_id = ?, state = 'revoked', is_shared = 0, join_token_id = NULL,
               enrolled_key = NULL, copied_from = NULL
        """,
        (org_id,),
    )


def list_people(db: apsw.Connection) -> list[DraftAccount]:
    """Return every account of a draft. Those of no member are in its history alone."""
    rows = db.execute(
        """
        SELECT id, email, id IN (SELECT user_id FROM memberships) FROM users ORDER BY email
        """
    ).fetchall()
    return [DraftAccount(str(row[0]), str(row[1]), bool(row[2])) for row in rows]


def retire_account(db: apsw.Connection, user_id: str) -> None:
    """Keep an account in a draft's history, under an address that is nobody's, without a way in.

    Whoever made the export may know its tokens, so they are for no account that is elsewhere.
    """
    given = {"id": user_id, "email": f"moved-{user_id.lower()}@invalid"}
    db.execute(
        """
        UPDATE users
           SET former_email = coalesce(former_email, email), email = :email, password_hash = '-'
         WHERE id = :id
        """,
        given,
    )
    close_ways_in(db, user_id)


def find_kept(db: apsw.Connection, user_id: str) -> str | None:
    """Return the address of an account that is here under its id, None if it was erased too."""
    sql = f"SELECT email FROM users WHERE id = ? AND NOT ({_IS_ERASED})"  # noqa: S608 - ours
    row = db.execute(sql, (user_id,)).fetchone()
    return str(row[0]) if row else None


def close_ways_in(db: apsw.Connection, user_id: str) -> None:
    """Let no app, recovery code or token of an account come along: it has its own where it goes."""
    for table in ("authenticators", "recovery_codes", "tokens"):
        db.execute(f"DELETE FROM {table} WHERE user_id = ?", (user_id,))  # noqa: S608


def hand_rights_over(db: apsw.Connection, user_id: str, to: str) -> None:
    """Let an account of the other server do in the org what one of a draft may."""
    for table, column in RIGHTS:
        db.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (to, user_id))  # noqa: S608


def list_seeds(db: apsw.Connection) -> list[AuthenticatorRow]:
    """Return every authenticator app of a draft."""
    sql = "SELECT user_id, sealed_seed, confirmed_at FROM authenticators"
    return fetch_all(db, sql, {}, AuthenticatorRow)


def put_seed(db: apsw.Connection, user_id: str, sealed_seed: bytes) -> None:
    """Replace the sealed seed of somebody's authenticator app."""
    db.execute(
        "UPDATE authenticators SET sealed_seed = ? WHERE user_id = ?", (sealed_seed, user_id)
    )


def list_automations(db: apsw.Connection, after_id: str) -> list[str]:
    """Return the ids of the next automations of a draft, some hundred, in order."""
    rows = db.execute(
        "SELECT id FROM automations WHERE id > ? ORDER BY id LIMIT 500", (after_id,)
    ).fetchall()
    return [str(row[0]) for row in rows]


def list_approvals(db: apsw.Connection, automation_id: str) -> list[str]:
    """Return the ids of what was asked about an automation."""
    rows = db.execute("SELECT id FROM approvals WHERE automation_id = ?", (automation_id,))
    return [str(row[0]) for row in rows.fetchall()]


def put_code(db: apsw.Connection, table: str, row_id: str, code: str) -> None:
    """Replace the code that binds an automation, or an approval in the midst of a job."""
    db.execute(f"UPDATE {table} SET mac = ? WHERE id = ?", (code, row_id))  # noqa: S608


def put_code_of_decision(
    db: apsw.Connection, approval_id: str, gate: str, user_id: str, code: str
) -> None:
    """Replace the code that binds a decision."""
    db.execute(
        "UPDATE approval_decisions SET mac = ? WHERE approval_id = ? AND gate = ? AND user_id = ?",
        (code, approval_id, gate, user_id),
    )


def end_open_work(db: apsw.Connection, at: datetime) -> EndedWork:
    """Bring a draft to rest, so that nothing of it runs or is sent on its own anywhere.

    What had waited is cancelled, and what had begun is unknown, since it goes on where it was. The
    org itself is suspended: whoever runs the server looks at it first.
    """
    given = {"at": to_text(at), "why": MOVED}
    began = (
        "state IN ('running', 'paused') OR (state IN ('planning', 'queued') AND job_id IS NOT NULL)"
    )
    # whatever job a row that waits for people may name: an export may come from anywhere
    waited = "state = 'awaiting_approval' OR (state IN ('planning', 'queued') AND job_id IS NULL)"
    unknown = _ids(db, began)
    cancelled = _ids(db, waited)

    for state, which in (("unknown", began), ("cancelled", waited)):
        db.execute(
            f"""
            UPDATE automations
               SET state = '{state}', finished_at = :at, explanation = :why, turn = 'ready'
             WHERE {which}
            """,  # noqa: S608 - literals
            given,
        )
    for statement in _AT_REST:
        db.execute(
            statement, {name: given[name] for name in ("at", "why") if f":{name}" in statement}
        )
    return EndedWork(cancelled, unknown)


def _ids(db: apsw.Connection, which: str) -> tuple[str, ...]:
    rows = db.execute(f"SELECT id FROM automations WHERE {which} ORDER BY id")  # noqa: S608
    return tuple(str(row[0]) for row in rows)


_AT_REST = (
    """
    UPDATE jobs SET state = 'unknown', finished_at = :at, explanation = :why, kept_until = NULL
     WHERE finished_at IS NULL
    """,
    """
    UPDATE approvals SET state = 'withdrawn', ended_at = :at, next_at = NULL, explanation = :why
     WHERE state = 'pending'
    """,
    "UPDATE chain_starts SET state = 'refused', at = :at, reason = :why WHERE state = 'due'",
    "UPDATE calls SET state = 'refused', at = :at, reason = :why WHERE state = 'due'",
    "UPDATE calls SET state = 'ended' WHERE state = 'started'",
    "UPDATE fan_out_members SET state = 'refused', at = :at, reason = :why WHERE state = 'due'",
    "UPDATE fan_out_members SET state = 'ended' WHERE state = 'started'",
    """
    UPDATE deliveries
       SET state = 'gave_up', finished_at = :at, last_error = :why, next_attempt_at = NULL
     WHERE state IN ('queued', 'sending', 'failed')
    """,
    """
    UPDATE invitations SET revoked_at = :at WHERE accepted_at IS NULL AND revoked_at IS NULL
    """,
    "UPDATE channels SET is_enabled = 0",
    "UPDATE contents SET uses = 0",  # counted anew, as what uses them comes
    """
    UPDATE orgs
       SET suspended_at = :at, suspended_reason = 'it came from another server', delete_at = NULL,
           deletion_asked_by = '', allows_shared_workers = 0, shared_served_seq = 0,
           hourly_quota = NULL, log_quota_mib = NULL, artifact_quota_mib = NULL
    """,
    "UPDATE users SET is_server_operator = 0",
)


def delete_logs(db: apsw.Connection, org_id: str) -> None:
    """Remove every log of an org that is not on this server."""
    given = {"org": org_id}
    for table in ("segments", "segment_lines", "gaps"):
        db.execute(
            f"DELETE FROM {table} WHERE job_id IN"  # noqa: S608 - a name of ours
            " (SELECT job_id FROM job_logs WHERE org_id = :org)",
            given,
        )
    db.execute("DELETE FROM job_logs WHERE org_id = :org", given)
    db.execute("DELETE FROM usage WHERE org_id = :org", given)


def list_destinations(db: apsw.Connection) -> list[str]:
    """Return where the record is forwarded to."""
    return [
        str(row[0]) for row in db.execute("SELECT DISTINCT destination FROM forwarding_cursors")
    ]
