"""Reading rows: the few lines that every file of SQL shares.

A row's type is a `Row` whose fields stand in the order of the SELECT; texts become times and enums, 0 and 1 booleans.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

import apsw
import msgspec

from opsicle.domain.automations import AutomationState


class Row(msgspec.Struct, frozen=True, array_like=True):
    """A result row with names."""


R = TypeVar("R", bound=Row)


def where(*conditions: str) -> str:
    """Return the WHERE clause of these conditions; an empty one is a wish that nobody has, and left out.

    Never write `(:state = '' OR state = :state)` instead: SQLite prepares one plan for both cases, and it is a scan.
    Conditions are literals of this package with named parameters, so that no value ever becomes SQL.
    """
    return f" WHERE {' AND '.join(condition for condition in conditions if condition)} "


def is_one_of(states: Collection[AutomationState]) -> str:
    """Return the condition that an automation is in one of these states, in the order in which they are declared."""
    return "state IN ({})".format(", ".join(f"'{state}'" for state in AutomationState if state in states))


def fetch_all(db: apsw.Connection, sql: str, parameters: dict[str, Any], kind: type[R]) -> list[R]:
    """All rows of a query."""
    return [msgspec.convert(row, kind, strict=False) for row in db.execute(sql, parameters).fetchall()]


def fetch_one(db: apsw.Connection, sql: str, parameters: dict[str, Any], kind: type[R]) -> R | None:
    """The first row of a query, or None."""
    row = db.execute(sql, parameters).fetchone()
    return msgspec.convert(row, kind, strict=False) if row is not None else None


def fetch_value(db: apsw.Connection, sql: str, parameters: dict[str, Any]) -> Any:
    """The first column of the first row, or None."""
    row = db.execute(sql, parameters).fetchone()
    return row[0] if row is not None else None


def fetch_column(db: apsw.Connection, sql: str, parameters: dict[str, Any]) -> list[Any]:
    """The first column of all rows."""
    return [row[0] for row in db.execute(sql, parameters)]
