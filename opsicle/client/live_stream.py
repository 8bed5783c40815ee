"""Following one automation live, however often the connection breaks.

Every byte of its log comes once and in order.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from opsicle.client.api import Api
from opsicle.domain.errors import Internal, TooManyRequests, Unavailable, Unreachable
from opsicle.kit.backoff import Backoff
from opsicle.wire.endpoints import automations as endpoints
from opsicle.wire.log_api import LogEvent
from opsicle.wire.user_api import Automation

PATIENCE_SECONDS = 600
"""How long a server may be away before we give up on it."""

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.1, 5.0
_MAX_LINE_BYTES = 16 * 1024 * 1024


class LogPiece(msgspec.Struct, frozen=True):
    """The next bytes of the log, and when the worker read them.

    `stream` is 1 for stdout, 2 for stderr; `phase` is the index of the phase, of those that the
    job carries out.
    """

    phase: int
    stream: int
    data: bytes
    at: datetime
    job_id: str = ""


class ConnectionLost(msgspec.Struct, frozen=True):
    """The connection is gone; we are trying to get it back."""

    message: str


class StreamEvent(msgspec.Struct, frozen=True):
    """One server-sent event."""

    name: str
    data: bytes


def follow(
    api: Api, automation_id: str, start: int = 0
) -> Iterator[Automation | LogPiece | ConnectionLost]:
    """Yield what happens to the automation, from byte `start` of its log to the end.

    Ends when the automation is over and all of its log was seen. Raises Unreachable when the server
    stays away for PATIENCE_SECONDS, and at once where it was never reached.
    """
    position = _Position(start)
    lost_at: float | None = None
    backoff = Backoff(_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS)
    was_reached = False

    while True:
        message = "the connection was closed"
        try:
            for event in _connect(api, automation_id, position):
                was_reached, lost_at = True, None
                backoff.reset()
                if event.name == "end":
                    return
                yield from _taken(event, position)
        except (Unreachable, Unavailable, TooManyRequests) as error:
            now = time.monotonic()
            lost_at = now if lost_at is None else lost_at
            if not was_reached or now - lost_at > PATIENCE_SECONDS:
                raise
            message = error.message
        yield ConnectionLost(message)
        time.sleep(backoff.next_delay())


class _Position:
    """Up to which byte of which job's log has been seen.

    Of the first job's log `start` bytes are not wanted.
    """

    def __init__(self, start: int) -> None:
        self.job_id = ""
        self.offset = start

    def new_part(self, job_id: str, offset: int, data: bytes) -> bytes:
        """Return the part of a chunk that was not seen yet; from now on it was.

        A new job's log begins anew.
        """
        if job_id != self.job_id:
            self.offset = 0 if self.job_id else self.offset
            self.job_id = job_id
        if offset > self.offset:
            raise Internal(f"the server left out bytes {self.offset} to {offset} of the log")
        fresh = data[self.offset - offset :]
        self.offset += len(fresh)
        return fresh


def _connect(api: Api, automation_id: str, position: _Position) -> Iterator[StreamEvent]:
    headers = {"Accept": endpoints.EVENTS.content_type}
    if position.job_id:  # the log then goes on after the last event seen
        headers["Last-Event-ID"] = f"{position.job_id}:{position.offset}"
    query = {"offset": position.offset}
    with api.stream(endpoints.EVENTS, automation_id, query=query, headers=headers) as stream:
        yield from parse_events(stream.pieces)


def _taken(event: StreamEvent, position: _Position) -> Iterator[Automation | LogPiece]:
    try:
        if event.name == "automation":
            yield msgspec.json.decode(event.data, type=Automation)
        elif event.name == "log":
            log = msgspec.json.decode(event.data, type=LogEvent)
            for chunk in log.chunks:
                data = position.new_part(
                    log.job_id, chunk.offset, base64.b64decode(chunk.data, validate=True)
                )
                if data:
                    yield LogPiece(chunk.phase, chunk.stream, data, chunk.at, log.job_id)
    except (msgspec.MsgspecError, ValueError) as error:
        raise Internal(f"the server's event is not what was expected: {error}") from error


def parse_events(pieces: Iterable[bytes]) -> Iterator[StreamEvent]:
    """Yield the events of a stream cut at any bytes (WHATWG HTML, 9.2.6).

    An unfinished last one is dropped.
    """
    name = "message"
    data: list[bytes] = []

    for line in _lines(pieces):
        if not line:
            if data or name != "message":
                yield StreamEvent(name, b"\n".join(data))
            name, data = "message", []
            continue

        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            name = value.decode("utf-8", "replace")
        elif field == b"data":
            data.append(value)


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line.removesuffix(b"\r") for line in lines)
        if len(rest) > _MAX_LINE_BYTES:
            raise Internal("the server sent an event that is too large")
