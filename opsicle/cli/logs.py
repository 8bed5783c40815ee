"""`opsicle logs`: what an automation printed."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import click

from opsicle.cli.invocation import current
from opsicle.cli.log_searches import ignore_case, regex, stream
from opsicle.cli.output import print_json
from opsicle.cli.root import VerbCommand
from opsicle.cli.sessions import connect
from opsicle.cli.terminal import printable, say
from opsicle.cli.times import PastTime, past_time
from opsicle.client.api import Api
from opsicle.client.automations import read_log
from opsicle.client.live_stream import LogPiece
from opsicle.client.live_stream import follow as follow_live
from opsicle.client.logs import find_lines, read_lines
from opsicle.domain.errors import UsageError
from opsicle.wire.endpoints import automations as endpoints
from opsicle.wire.endpoints import logs as log_endpoints
from opsicle.wire.pages import MAX_PAGE_SIZE
from opsicle.wire.user_api import Automation

_CUT_BYTES = 64 * 1024
"""A line that is cut is longer than this; a shorter one has no line feed, or none yet."""

_RANGE = re.compile(r"([0-9]{1,15})(?:-([0-9]{1,15})?)?")


@click.command(cls=VerbCommand)
@click.argument("automation_id", metavar="ID")
@click.option("--follow", is_flag=True, help="Go on until the automation is over.")
@click.option("--lines", metavar="A-B", help="Only these lines, counted from 1: 7-12, 7-, 7.")
@click.option(
    "--tail",
    type=click.IntRange(min=0),
    metavar="N",
    help="Only the last N lines, and with --follow what comes behind them.",
)
@click.option(
    "--since",
    type=PastTime(),
    metavar="TIME",
    help="Only lines from this time on: 2026-03-01T12:00:00Z, 90m, 12h.",
)
@click.option("--until", type=PastTime(), metavar="TIME", help="Only lines from before this time.")
@stream
@click.option("--grep", metavar="TEXT", help="Only lines with this text, each behind its number.")
@regex
@ignore_case
@click.option("--plan", is_flag=True, help="The log of its plan, also once more has run.")
@click.option(
    "--timestamps",
    is_flag=True,
    help="Begin each line with the time at which the worker read it, in UTC.",
)
def logs(automation_id: str, *, follow: bool, timestamps: bool, **wanted: Any) -> None:
    """Print an automation's log, its bytes as they are."""
    of_plan = wanted.pop("plan")
    _check(follow, wanted)
    if of_plan and (follow or timestamps or any(wanted.values())):
        raise UsageError("--plan prints the whole log of a plan: no other option goes with it")
    api = connect()
    if wanted["grep"]:
        _print_matches(api, automation_id, timestamps, wanted)
        return

    parts: Iterable[bytes]
    if of_plan:
        parts = read_log(api, automation_id, plan=True)
    elif wanted["lines"] or wanted["since"] or wanted["until"] or wanted["stream"]:
        parts = _lines(api, automation_id, _query(wanted), timestamps=timestamps)
    elif wanted["tail"] and not follow:
        parts = _lines(api, automation_id, {"tail": wanted["tail"]}, timestamps=timestamps)
    else:
        start = 0 if wanted["tail"] is None else _start_of_last(api, automation_id, wanted["tail"])
        parts = _from(api, automation_id, start, follow=follow, timestamps=timestamps)

    if current().wants_json:
        _print_as_json(automation_id, b"".join(parts))
        return
    for part in parts:
        sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()


def _check(follow: bool, wanted: dict[str, Any]) -> None:
    """Raise UsageError for options that do not go together."""
    narrowed = [name for name in ("lines", "since", "until", "stream", "grep") if wanted[name]]
    if follow and narrowed:
        raise UsageError(f"--follow goes on to the end of the log; leave out --{narrowed[0]}")
    if wanted["lines"] and wanted["tail"] is not None:
        raise UsageError("--lines counts from the beginning, --tail from the end: give one of them")
    if not wanted["grep"] and (wanted["regex"] or wanted["ignore_case"]):
        raise UsageError("--regex and --ignore-case say how --grep looks for a text")
    if wanted["grep"] and (wanted["lines"] or wanted["tail"] or wanted["since"] or wanted["until"]):
        raise UsageError("--grep looks through the whole log; only --stream goes with it")


def _query(wanted: dict[str, Any]) -> dict[str, Any]:
    """Return what is wanted as the endpoint takes it. Raises UsageError for what is no range."""
    query = {
        "from": past_time(wanted["since"]),
        "to": past_time(wanted["until"]),
        "stream": wanted["stream"],
        "tail": wanted["tail"],
    }
    if wanted["lines"]:
        found = _RANGE.fullmatch(wanted["lines"])
        first = int(found[1]) if found else 0
        last = int(found[2]) if found and found[2] else first
        if not found or not 1 <= first <= last:
            raise UsageError(
                f"--lines {wanted['lines'][:40]!r} is no range of lines",
                hint="Write it as 7-12, 7- or 7; the first line is 1.",
            )
        query["from_line"] = first
        query["lines"] = None if wanted["lines"].endswith("-") else last - first + 1
    return query


def _lines(
    api: Api, automation_id: str, query: dict[str, Any], *, timestamps: bool
) -> Iterator[bytes]:
    is_empty = True
    for line, content in read_lines(api, automation_id, query):
        is_empty = False
        yield (_stamp(line.at) if timestamps else b"") + content
        if not line.is_whole and content and not content.endswith(b"\n"):
            yield b"\n"
            if len(content) > _CUT_BYTES:
                say(f"line {line.line} is longer than what is shown of it")
    if is_empty and query["tail"] != 0:
        say("the log has no such line")


def _print_matches(api: Api, automation_id: str, timestamps: bool, wanted: dict[str, Any]) -> None:
    query = {
        "text": wanted["grep"],
        "regex": wanted["regex"],
        "ignore_case": wanted["ignore_case"],
        "stream": wanted["stream"],
        "limit": MAX_PAGE_SIZE,
    }
    found = find_lines(api, automation_id, query)

    if current().wants_json:
        print_json(list(found))
        return

    has_matches = False
    for match in found:
        has_matches = True
        stamp = _stamp(match.at).decode() if timestamps else ""
        click.echo(f"{match.line}:{stamp}{printable(match.text)}")
    if not has_matches:
        say("no line matches")


def _from(
    api: Api, automation_id: str, start: int, *, follow: bool, timestamps: bool
) -> Iterable[bytes]:
    """Return the log from a byte on."""
    if not (follow or timestamps):
        return read_log(api, automation_id, start)
    pieces = _pieces(api, automation_id, start, follow=follow)
    return _with_times(pieces) if timestamps else (piece.data for piece in pieces)


def _pieces(api: Api, automation_id: str, start: int, *, follow: bool) -> Iterator[LogPiece]:
    """Yield the log from `start` on: up to its end for ever, or as it is now."""
    position, end = start, None
    for happened in follow_live(api, automation_id, start):
        if isinstance(happened, Automation) and end is None:
            end = happened.log_bytes
        elif isinstance(happened, LogPiece):
            position += len(happened.data)
            yield happened
        if not follow and end is not None and position >= end:
            return


def _with_times(pieces: Iterable[LogPiece]) -> Iterator[bytes]:
    """Yield each line behind the time of its first byte."""
    is_at_start = True
    for piece in pieces:
        for line in piece.data.splitlines(keepends=True):
            if is_at_start:
                yield _stamp(piece.at)
            yield line
            is_at_start = line.endswith(b"\n")


def _stamp(at: datetime) -> bytes:
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z ".encode()


def _start_of_last(api: Api, automation_id: str, count: int) -> int:
    """Return the offset at which the last `count` lines of the log begin."""
    if count == 0:
        return api.call(endpoints.SHOW, automation_id).log_bytes
    page = api.call(log_endpoints.LINES, automation_id, query={"tail": 1})
    query = {"from_line": max(1, page.total_lines - count + 1), "lines": 1}
    lines = api.call(log_endpoints.LINES, automation_id, query=query).lines
    return lines[0].offset if lines else 0


def _print_as_json(automation_id: str, log: bytes) -> None:
    """Print the log as base64 in JSON, which has no bytes."""
    import base64

    print_json({"id": automation_id, "log_bytes": len(log), "data": base64.b64encode(log).decode()})
