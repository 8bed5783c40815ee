"""Units of work that are rolled back or too large, provoked and measured in the real database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent

from opsicle.server.store.database import Connection, Database


@contextmanager
def refused(database: Database, verb: str) -> Iterator[None]:
    """Let every unit of work fail, and so be rolled back, that puts such an entry into the record.

    The entry comes last in most units. Whoever waits for one gets an `apsw.ConstraintError`.
    """
    database.write(
        lambda db: db.execute(
            f"CREATE TRIGGER refused AFTER INSERT ON audit_entries WHEN NEW.verb = '{verb}' "
            "BEGIN SELECT raise(ABORT, 'refused by the test'); END"
        )
    )
    try:
        yield
    finally:
        database.write(lambda db: db.execute("DROP TRIGGER refused"))


@contextmanager
def rows_per_commit(database: Database, table: str) -> Iterator[list[int]]:
    """Count the rows of a table that each commit meanwhile inserts, leaving out the zeros."""
    commits: list[int] = []
    count = 0

    def inserted() -> None:
        nonlocal count
        count += 1

    def committed() -> bool:
        nonlocal count
        if count:
            commits.append(count)
        count = 0
        return False

    def attach(db: Connection) -> None:
        db.create_scalar_function("note_inserted", inserted, 0)
        db.execute(
            f"CREATE TEMP TRIGGER counted AFTER INSERT ON main.{table}"
            " BEGIN SELECT note_inserted(); END"
        )
        db.set_commit_hook(committed)

    def detach(db: Connection) -> None:
        db.set_commit_hook(None)
        db.execute("DROP TRIGGER counted")

    database.write(attach)
    try:
        yield commits
    finally:
        database.write(detach)


def rolled_back_together(
    database: Database, change: Callable[[Connection], object], *others: Callable[[], object]
) -> list[Exception | None]:
    """Make a change and what else is called in one commit, and let that fail.

    Answers what each call has raised.
    """

    def spoil(db: Connection) -> None:
        change(db)
        db.execute("PRAGMA defer_foreign_keys = ON")  # so that COMMIT is what fails
        db.execute(
            """
            INSERT INTO sessions (id, org_id, user_id, kind, token_hash, address, created_at,
                                  last_used_at, expires_at)
            VALUES ('spoilt', 'nobody', 'nobody', 'cli', 'spoilt', '', '', '', '')
            """
        )

    def attempt(call: Callable[[], object]) -> Exception | None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - whichever it is, the test looks at it
            return error
        return None

    under_way = gevent.spawn(database.sync)  # behind which the others gather
    calls = [gevent.spawn(attempt, each) for each in (lambda: database.write(spoil), *others)]
    under_way.get(timeout=60)
    return [call.get(timeout=60) for call in calls]
