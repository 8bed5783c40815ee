"""Server-sent events: what changes, told while it happens (https://html.spec.whatwg.org/multipage/server-sent-events.html).

A stream is pulled by its own connection: the next event is made when the client has taken the last. So nothing piles
up for a slow client; one that takes nothing for `connection.SEND_SECONDS` is cut off and comes back with Last-Event-ID.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import gevent
import msgspec

from opsicle.domain.errors import TooManyRequests
from opsicle.server.http.request import Request
from opsicle.server.http.routing import Reply

CONTENT_TYPE = "text/event-stream"
MAX_STREAMS_PER_USER = 100
MAX_STREAMS_PER_ORG = 500
MAX_STREAMS = 3000

_HEARTBEAT = b": still here\n\n"
_RETRY_MS = 1000
"""How long a browser waits before it connects again."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `data` becomes JSON. One without a name is a heartbeat, which only keeps the line open."""

    name: str
    data: object = None
    id: str = ""


class EventStreams:
    """The streams that are open, so that they can be counted, bounded, and ended when the server stops."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()
        """By user and by org; their ids are never alike."""

        self._greenlets: set[gevent.Greenlet[..., object]] = set()

    def __len__(self) -> int:
        return len(self._greenlets)

    def admit(self, user_id: str, org_id: str, parts: Iterator[bytes]) -> Iterator[bytes]:
        """The stream, which ends when `close` is called. Raises TooManyRequests for one user's hundredth or so.

        An org has a share too, so that its own people can be many, and leave room for others.
        """
        is_user_full = self._open[user_id] >= MAX_STREAMS_PER_USER
        if is_user_full or self._open[org_id] >= MAX_STREAMS_PER_ORG or len(self) >= MAX_STREAMS:
            whose = "you have" if is_user_full else "your org has"
            raise TooManyRequests(f"{whose} too many event streams open", retry_after=10, hint="Close some of them.")
        return self._run((user_id, org_id), parts)

    def close(self) -> None:
        """End every open stream; their clients come back when there is a server again."""
        for greenlet in list(self._greenlets):
            greenlet.kill(_StreamsClosed(), block=False)

    def _run(self, whose: tuple[str, str], parts: Iterator[bytes]) -> Iterator[bytes]:
        greenlet = cast("gevent.Greenlet[..., object]", gevent.getcurrent())
        self._greenlets.add(greenlet)
        self._open.update(whose)
        try:
            yield from parts
        except _StreamsClosed:
            return
        finally:
            self._greenlets.discard(greenlet)
            self._open.subtract(whose)
            for each in whose:
                if not self._open[each]:
                    del self._open[each]


class _StreamsClosed(ConnectionError):
    """Thrown into a stream that waits. One that is just sending takes it for a connection that broke."""


def event_stream(request: Request, events: Iterator[Event]) -> Reply:
    """The answer that tells these events as they come, to the person who asks, while they may be told."""
    parts = request.streams.admit(request.actor.user_id, request.actor.org_id, _encoded(request, events))
    return Reply(200, stream=parts, content_type=CONTENT_TYPE, headers=(("X-Accel-Buffering", "no"),))


def encode(event: Event) -> bytes:
    """The event as it crosses the wire. JSON has no line ends in it, so one `data` line is enough."""
    if not event.name:
        return _HEARTBEAT
    identity = f"id: {event.id}\n".encode() if event.id else b""
    return b"%bevent: %b\ndata: %b\n\n" % (identity, event.name.encode(), msgspec.json.encode(event.data))


def _encoded(request: Request, events: Iterator[Event]) -> Iterator[bytes]:
    yield b"retry: %d\n\n" % _RETRY_MS
    for event in events:
        if not request.is_caller_still_good:
            return
        yield encode(event)
