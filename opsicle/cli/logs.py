"""`opsicle logs`: what an automation printed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

import click

from opsicle.cli.invocation import current
from opsicle.cli.output import print_json
from opsicle.cli.root import VerbCommand
from opsicle.cli.sessions import connect
from opsicle.client.api import Api
from opsicle.client.automations import read_log
from opsicle.client.following import LogPiece
from opsicle.client.following import follow as follow_live
from opsicle.wire.endpoints import automations as endpoints
from opsicle.wire.user_api import Automation

_FIRST_LOOK_BYTES = 64 * 1024
"""How much of a log's end is read first to find its last lines; each next try reads four times as
much."""


@click.command(cls=VerbCommand)
@click.argument("automation_id", metavar="ID")
@click.option("--follow", is_flag=True, help="Go on until the automation is over.")
@click.option(
    "--tail",
    type=click.IntRange(min=0),
    metavar="N",
    help="Only the last N lines, and what follows them.",
)
@click.option(
    "--timestamps",
    is_flag=True,
    help="Begin each line with the time at which the worker read it, in UTC.",
)
def logs(automation_id: str, *, follow: bool, tail: int | None, timestamps: bool) -> None:
    """Print an automation's log, its bytes as they are."""
    api = connect()
    start = 0 if tail is None else _start_of_last(api, automation_id, tail)

    parts: Iterable[bytes]
    if follow or timestamps:
        pieces = _pieces(api, automation_id, start, follow=follow)
        parts = _with_times(pieces) if timestamps else (piece.data for piece in pieces)
    else:
        parts = read_log(api, automation_id, start)

    if current().wants_json:
        _print_as_json(automation_id, b"".join(parts))
        return
    for part in parts:
        sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()


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
                yield f"{piece.at:%Y-%m-%dT%H:%M:%S}.{piece.at.microsecond // 1000:03}Z ".encode()
            yield line
            is_at_start = line.endswith(b"\n")


def _start_of_last(api: Api, automation_id: str, lines: int) -> int:
    """Return the offset at which the last `count` lines of the log begin.

    No more of it is read than need be.
    """
    size = api.call(endpoints.SHOW, automation_id).log_bytes
    window = _FIRST_LOOK_BYTES
    while lines:
        start = max(0, size - window)
        end = b"".join(read_log(api, automation_id, start))[: size - start]

        breaks = [index for index, byte in enumerate(end[:-1]) if byte == 0x0A]

        if len(breaks) >= lines:
            return start + breaks[-lines] + 1
        if start == 0:
            return 0

        window *= 4
    return size


def _print_as_json(automation_id: str, log: bytes) -> None:
    """Print the log as base64 in JSON, which has no bytes."""
    import base64

    print_json({"id": automation_id, "log_bytes": len(log), "data": base64.b64encode(log).decode()})
