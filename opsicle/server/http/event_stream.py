"""Server-sent events: what changes, told while it happens.

See https://html.spec.whatwg.org/multipage/server-sent-events.html.

A stream is pulled by its own connection: the next event is made when the client has taken the last.
So nothing piles up for a slow client; one that takes nothing for `connection.SEND_SECONDS` is cut
off and comes back with Last-Event-ID.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from opsicle.server.http.request import Request
from opsicle.server.http.routing import Reply
from opsicle.server.http.wire.response import LastPart

CONTENT_TYPE = "text/event-stream"
_HEARTBEAT = b": still here\n\n"
_MAX_TOGETHER = 4 * 1024
"""Bytes of events that follow each other at once, and are sent together.

Few: over a connection that breaks again and again each event that arrives is progress.
"""

_RETRY_MS = 1000
"""How long a browser waits before it connects again."""


class ServerSentEvent(msgspec.Struct, frozen=True):
    """One event; `data` becomes JSON.

    One without a name is a heartbeat, which only keeps the line open. `is_followed`: the next one,
    or the end of the stream, comes at once, so that both may be sent together.
    """

    name: str
    data: object = None
    id: str = ""
    is_followed: bool = False


def event_stream(request: Request, events: Iterator[ServerSentEvent]) -> Reply:
    """Return the reply that streams these events to the person who asks, while they may hear."""
    parts = request.streams.admit(
        request.actor.user_id, request.actor.org_id, _encoded(request, events)
    )
    return Reply(
        200, stream=parts, content_type=CONTENT_TYPE, headers=(("X-Accel-Buffering", "no"),)
    )


def encode(event: ServerSentEvent) -> bytes:
    """Return the event as it crosses the wire.

    JSON has no line ends in it, so one `data` line is enough.
    """
    if not event.name:
        return _HEARTBEAT
    identity = f"id: {event.id}\n".encode() if event.id else b""
    return b"%bevent: %b\ndata: %b\n\n" % (
        identity,
        event.name.encode(),
        msgspec.json.encode(event.data),
    )


def _encoded(request: Request, events: Iterator[ServerSentEvent]) -> Iterator[bytes]:
    held = b"retry: %d\n\n" % _RETRY_MS  # goes with the first event
    is_in_midst = False
    for event in events:
        # What follows at once was made in the same moment.
        if not is_in_midst and not request.is_caller_still_good:
            return
        is_in_midst = event.is_followed

        encoded = encode(event)
        if held and len(held) + len(encoded) > _MAX_TOGETHER:
            yield held
            held, is_in_midst = b"", False
        held += encoded
        if not event.is_followed:
            yield held
            held = b""
    if held:
        yield LastPart(held)
