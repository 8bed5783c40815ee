"""Every SQL statement of the store, found by calling all of its functions while a trace listens.

Each function is called with every combination of arguments that could make it compose another
statement: texts empty and not, flags both ways, filters with every choice of fields. What a
function runs is seen with the place it is run from, and a place in the source that no call has
reached is an error of whoever added it, not a gap.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import importlib
import inspect
import itertools
import sys
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType, ModuleType, NoneType, UnionType
from typing import Any

import apsw
import msgspec

from opsicle.server import store
from opsicle.server.access.actor import SystemActor
from opsicle.server.store.audit import RecordedActor

FOLDER = Path(str(store.__file__)).parent
WITHOUT_STATEMENTS = {
    "__init__",
    "commits",
    "connections",
    "copies",
    "database",
    "inspection",
    "integrity",
    "log_database",
    "migrations",
    "migration_steps",
    "org_checks",
    "org_copies",
    "org_returns",
    "org_tables",
    "rows",
    "units",
}
"""Modules of the store that run no SQL of the product's, only what opens and upgrades files."""

OF_LOGS = {"logs", "whole_logs"}
"""Modules whose tables are in the database of logs."""

_CALLS = {"fetch_all", "fetch_one", "fetch_value", "fetch_column", "execute", "executemany"}
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclasses.dataclass(frozen=True)
class Statement:
    """A statement, values that it was run with, and who runs it, such as `automations.find`."""

    function: str
    sql: str
    bindings: Any


@dataclasses.dataclass
class Found:
    """What the calls have brought to light.

    `reached`: (module, line) of each place that ran a statement.
    """

    statements: dict[tuple[str, str], Statement] = dataclasses.field(default_factory=dict)
    reached: set[tuple[str, int]] = dataclasses.field(default_factory=set)


def modules() -> list[ModuleType]:
    """Return the store's modules that hold SQL."""
    names = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in WITHOUT_STATEMENTS)
    return [importlib.import_module(f"opsicle.server.store.{name}") for name in names]


def places() -> Iterator[tuple[str, range]]:
    """Return each place that runs a statement, as its module and the lines of the call."""
    for module in modules():
        tree = ast.parse(Path(str(module.__file__)).read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _called(node) in _CALLS:
                yield module.__name__, range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def collect(
    databases: Iterable[apsw.Connection], prepare: Callable[[apsw.Connection], None]
) -> Found:
    """Call every function of the store on the database that has its tables.

    What each does is rolled back.

    `prepare` makes the rows without which some functions go no further than their first statement.
    """
    found = Found()
    connections = list(databases)
    prepare(connections[0])
    for module in modules():
        db = connections[1] if module.__name__.rpartition(".")[2] in OF_LOGS else connections[0]
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__ and _takes_database(function):
                _call(db, f"{module.__name__.rpartition('.')[2]}.{name}", function, found)
    return found


def _takes_database(function: Callable[..., Any]) -> bool:
    parameters = list(inspect.signature(function).parameters)
    return bool(parameters) and parameters[0] == "db"


def _call(db: apsw.Connection, name: str, function: Callable[..., Any], found: Found) -> None:
    def trace(_cursor: apsw.Cursor, sql: str, bindings: Any) -> bool:
        place = _place()
        if place:
            found.reached.add(place)
            found.statements.setdefault(
                (name, " ".join(sql.split())), Statement(name, sql, bindings)
            )
        return True

    hints = typing.get_type_hints(function)
    choices = [
        _choices(hints[parameter], parameter)
        for parameter in list(inspect.signature(function).parameters)[1:]
    ]
    for arguments in itertools.product(*choices):
        db.execute("SAVEPOINT attempt")
        db.exec_trace = trace
        try:
            made = function(db, *arguments)
            if isinstance(made, Iterator):
                next(made, None)
        except Exception:  # noqa: BLE001 - made-up arguments may be refused, once it is traced
            pass
        finally:
            db.exec_trace = None
            db.execute("ROLLBACK TO attempt")
            db.execute("RELEASE attempt")


def _place() -> tuple[str, int] | None:
    frame: FrameType | None = sys._getframe(2)
    while frame:
        path = Path(frame.f_code.co_filename)
        if path.parent == FOLDER and path.stem not in WITHOUT_STATEMENTS:
            return f"opsicle.server.store.{path.stem}", frame.f_lineno
        frame = frame.f_back
    return None


def _choices(hint: Any, name: str) -> list[Any]:
    """Return values of a type, all that could lead to different statements."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Callable:
        return [lambda *_: None]
    if origin is typing.Literal:
        return list(arguments)
    if origin in (typing.Union, UnionType):
        return [each for argument in arguments for each in _choices(argument, name)]
    if origin in (tuple, list, dict, set, frozenset, Mapping, Sequence, Iterable):
        return _collections(origin, arguments, name)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return list(hint)
    if _is_filter(hint):
        return _filters(hint)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return [_struct(hint)]
    return _BY_NAME.get(name, _SIMPLE[str]) if hint is str else _SIMPLE[hint]


_SIMPLE: dict[Any, list[Any]] = {
    str: ["", "x"],
    int: [1],
    float: [1.0],
    bool: [False, True],
    bytes: [b"x" * 32],
    datetime: [_NOW],
    NoneType: [None],
    object: [{}],
    Any: ["x"],
    RecordedActor: [SystemActor()],
}
_STATES = ["queued", "running", "succeeded", "pending", "approved", "failed"]
_BY_NAME = {"state": ["", *_STATES], "table": ["groups", "link_codes"]}
"""What a text is by its name."""


def _collections(origin: Any, arguments: tuple[Any, ...], name: str) -> list[Any]:
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        return [
            tuple(each) for each in itertools.product(*(_choices(one, name) for one in arguments))
        ]
    if origin in (dict, Mapping):
        return [{}]
    items = [_choices(arguments[0], name)[-1]]
    return [origin(items) if origin in (list, tuple, set) else items]


def _is_filter(hint: Any) -> bool:
    is_tuple = isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields")
    return dataclasses.is_dataclass(hint) or is_tuple


def _filters(hint: Any) -> list[Any]:
    fields = {name: _choices(each, name) for name, each in typing.get_type_hints(hint).items()}
    return [
        hint(**dict(zip(fields, each, strict=True))) for each in itertools.product(*fields.values())
    ]


def _struct(hint: type[msgspec.Struct]) -> msgspec.Struct:
    hints = typing.get_type_hints(hint)
    return hint(**{name: _choices(hints[name], name)[-1] for name in hint.__struct_fields__})
