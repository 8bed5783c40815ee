"""Reading rows: the few lines that every file of SQL shares.

A row's type is a `Row` whose fields stand in the order of the SELECT; texts become times and enums,
0 and 1 booleans.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

import apsw
import msgspec

from opsicle.domain.automations import AutomationState
from opsicle.domain.errors import Unreadable
from opsicle.kit.clock import to_text

log = logging.getLogger(__name__)

NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES = (datetime, datetime | None)


class Row(msgspec.Struct, frozen=True, array_like=True):
    """A result row with names."""


R = TypeVar("R", bound=Row)


def where(*conditions: str) -> str:
    """Return the WHERE clause of these conditions; empty ones are left out.

    Never write `(:state = '' OR state = :state)` instead: SQLite prepares one plan for both cases,
    and it is a scan. Conditions are literals of this package with named parameters, so that no
    value ever becomes SQL.
    """
    return f" WHERE {' AND '.join(condition for condition in conditions if condition)} "


def is_one_of(states: Collection[AutomationState]) -> str:
    """Return the condition that an automation is in one of these states, in a fixed order."""
    return "state IN ({})".format(
        ", ".join(f"'{state}'" for state in AutomationState if state in states)
    )


def index_condition(states: Collection[AutomationState], column: str = "state") -> str:
    """Return the same to the letter as in the indexes of what is open, and of what has ended.

    By comparing, since for an IN with more than two texts SQLite builds a table in memory, and that
    at each change of a row for each such index. Not as an OR: then an index with that condition
    would count as one for whatever asks for a single state.
    """
    others = (f"{column} <> '{state}'" for state in AutomationState if state in states)
    return f"NOT ({' AND '.join(others)})"


def json_list(items: Iterable[object]) -> str:
    """Return items as the JSON that `IN (SELECT value FROM json_each(:items))` takes."""
    return msgspec.json.encode(list(items)).decode()


def sorted_json(value: object) -> str:
    """Return the JSON of a value, the same for the same value."""
    return msgspec.json.encode(value, order="sorted").decode()


def fetch_all(db: apsw.Connection, sql: str, parameters: dict[str, Any], kind: type[R]) -> list[R]:
    """Return all rows of a query."""
    return [_read(row, kind) for row in db.execute(sql, parameters).fetchall()]


def fetch_one(db: apsw.Connection, sql: str, parameters: dict[str, Any], kind: type[R]) -> R | None:
    """Return the first row of a query, or None."""
    row = db.execute(sql, parameters).fetchone()
    return _read(row, kind) if row is not None else None


def _read(row: tuple[Any, ...], kind: type[R]) -> R:
    """Return a row as its type. Raises Unreadable for what somebody has altered.

    A time that cannot be read must not hide the rest of a list, and is replaced.
    """
    try:
        return msgspec.convert(row, kind, strict=False)
    except msgspec.ValidationError as error:
        extra = {"kind": kind.__name__, "reason": str(error)}
        log.error("a stored row has been altered", extra=extra)  # noqa: TRY400 - the reason says it

    try:
        return msgspec.convert(_with_times(row, kind), kind, strict=False)
    except msgspec.ValidationError as error:
        raise Unreadable.of(f"a {kind.__name__.removesuffix('Row').lower()}") from error


def _with_times(row: tuple[Any, ...], kind: type[R]) -> list[Any]:
    """Return a row in which times that cannot be read are the oldest there are.

    So whatever they say the end of is over.
    """
    values = list(row)
    for index, field in enumerate(msgspec.structs.fields(kind)):
        if field.type in _TIMES and isinstance(values[index], str) and not _is_time(values[index]):
            values[index] = to_text(NO_TIME)
    return values


def _is_time(text: str) -> bool:
    try:
        msgspec.convert(text, datetime, strict=False)
    except msgspec.ValidationError:
        return False
    return True


def fetch_value(db: apsw.Connection, sql: str, parameters: dict[str, Any]) -> Any:
    """Return the first column of the first row, or None."""
    row = db.execute(sql, parameters).fetchone()
    return row[0] if row is not None else None


def fetch_text(db: apsw.Connection, sql: str, parameters: dict[str, Any]) -> str | None:
    """Return the one text of a query, None for NULL."""
    value = fetch_value(db, sql, parameters)
    return None if value is None else str(value)


def fetch_column(db: apsw.Connection, sql: str, parameters: dict[str, Any]) -> list[Any]:
    """Return the first column of all rows."""
    return [row[0] for row in db.execute(sql, parameters)]


def has_changed(db: apsw.Connection, sql: str, parameters: dict[str, Any]) -> bool:
    """Run a statement, and return whether it has changed one row."""
    db.execute(sql, parameters)
    return db.changes() == 1
