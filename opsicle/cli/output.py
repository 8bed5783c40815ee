"""Results on stdout: aligned text for people, exactly one JSON value for programs."""

from __future__ import annotations

import itertools
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import click
import msgspec

from opsicle.cli.invocation import current
from opsicle.cli.terminal import printable, say, styled
from opsicle.domain.visible_text import visible_value

T = TypeVar("T")

Fields = Sequence[tuple[str, object]]
"""What is shown of one thing: names and values, in order."""

STATE_COLOURS = {
    "succeeded": "green",
    "active": "green",
    "failed": "red",
    "timed_out": "red",
    "rejected": "red",
    "revoked": "red",
    "unknown": "magenta",
    "running": "blue",
    "paused": "yellow",
    "planning": "yellow",
    "cancelled": "yellow",
    "queued": "yellow",
    "draining": "yellow",
}

_GAP = "  "
_NARROWEST = 8
"""Characters of a column: what is cut shorter says nothing any more."""

_AGES = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


class Column(NamedTuple):
    """One column of a table: its heading, and how its value is got from an item."""

    heading: str
    value: Callable[[Any], object]


_MOST_ITEMS = 2**31
"""More than any org has; a larger number is this one, as `islice` knows no greater ones than a
machine's word."""


def emit(value: object, fields: Fields) -> None:
    """Print one thing: whole as JSON, or its `fields` for people."""
    if current().wants_json:
        print_json(value)
        return
    width = max((len(name) for name, _ in fields), default=0)
    for name, content in fields:
        if content not in (None, "", {}, []):
            click.echo(f"{name:<{width}}  {_cell(content, name)}")


def emit_list(
    items: Iterable[T], columns: Sequence[Column], *, limit: int | None, table_limit: int = 1000
) -> None:
    """Print items as a JSON array or a table.

    The array holds all of them, or the first `limit`; the table `table_limit` unless told.
    """
    limit = None if limit is None else min(limit, _MOST_ITEMS)
    if current().wants_json:
        print_json(list(itertools.islice(items, limit)))
        return

    most = limit or table_limit
    shown = list(itertools.islice(items, most + 1))
    rows = [
        [_cell(column.value(item), column.heading) for column in columns] for item in shown[:most]
    ]

    print_table([column.heading.upper() for column in columns], rows)
    if len(shown) > most and limit is None:
        say(f"The first {most} are shown; `--limit` shows more.")


def print_json(value: object) -> None:
    """Print the one JSON value."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def print_table(headings: list[str], rows: list[list[str]]) -> None:
    """Print columns as wide as their widest cell; nothing is wrapped, so a line is an item.

    On a terminal a table is no wider than the window: what is too long is cut, and ends in `…`.
    Elsewhere it is whole.
    """
    widths = [max(map(_width, column)) for column in zip(headings, *rows, strict=True)]
    if sys.stdout.isatty():
        widths = _fitted(widths, shutil.get_terminal_size().columns)
    for row in [headings, *rows]:
        cells = [_padded(cell, width) for cell, width in zip(row, widths, strict=True)]
        click.echo(_GAP.join(cells).rstrip())


def _fitted(widths: list[int], window: int) -> list[int]:
    """Return the widest columns made narrower until all fit.

    Not the first, by which an item is called.
    """
    fitted = list(widths)
    while sum(fitted) + len(_GAP) * (len(fitted) - 1) > window:
        widest = max(range(1, len(fitted)), key=fitted.__getitem__, default=0)
        if not widest or fitted[widest] <= _NARROWEST:
            return fitted
        fitted[widest] -= 1
    return fitted


def _padded(cell: str, width: int) -> str:
    if _width(cell) > width:
        return click.unstyle(cell)[: width - 1] + "…"
    return cell + " " * (width - _width(cell))


def shown_time(at: datetime) -> str:
    """Return a time for people: their own and how long ago on a terminal, else RFC 3339 in UTC."""
    if not sys.stdout.isatty():
        return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S} ({_relative(at)})"


def seconds_between(start: datetime | None, end: datetime | None) -> str:
    """Return a duration such as `1.25 s`; nothing where one end is missing."""
    return f"{(end - start).total_seconds():.2f} s" if start and end else ""


def _relative(at: datetime) -> str:
    seconds = int((datetime.now(UTC) - at).total_seconds())
    for size, unit in _AGES:
        if abs(seconds) >= size:
            amount = f"{abs(seconds) // size} {unit}"
            return f"{amount} ago" if seconds > 0 else f"in {amount}"
    return "now"


def _cell(content: object, heading: str) -> str:
    if content is None:
        return ""
    if isinstance(content, datetime):
        return shown_time(content)
    if isinstance(content, bool):
        return "yes" if content else "no"
    if isinstance(content, dict):
        return " ".join(assigned(key, value) for key, value in content.items())
    if isinstance(content, list | tuple):
        return ", ".join(_cell(item, "") for item in content)
    if hasattr(content, "__struct_fields__"):
        return _cell(msgspec.to_builtins(content), heading)
    text = printable(str(content))
    if heading == "state":
        return styled(text, STATE_COLOURS.get(text, "white"), sys.stdout)
    return text


def assigned(name: str, value: object) -> str:
    """Return a named value on one line, such as `who=world`.

    In quotes where a blank would make it look like two.
    """
    shown = visible_value(value)
    is_whole = not isinstance(value, str) or not value or " " not in value
    return f"{printable(name)}={shown}" if is_whole else f'{printable(name)}="{shown}"'


def _width(cell: str) -> int:
    return len(click.unstyle(cell)) if "\x1b" in cell else len(cell)
