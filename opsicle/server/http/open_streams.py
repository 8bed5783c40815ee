"""The event streams that are open: counted, bounded, and ended when the server stops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import gevent

from opsicle.server.http.shares import Shares, Whose

MAX_STREAMS_PER_USER = 100
MAX_STREAMS_PER_ORG = 500
MAX_STREAMS = 3000


class EventStreams:
    """The streams that are open.

    So they can be counted, bounded, and ended when the server stops.
    """

    def __init__(self) -> None:
        self._shares = Shares(MAX_STREAMS_PER_USER, MAX_STREAMS_PER_ORG, MAX_STREAMS)
        self._greenlets: set[gevent.Greenlet[..., object]] = set()

    def __len__(self) -> int:
        return len(self._greenlets)

    def admit(self, user_id: str, org_id: str, parts: Iterator[bytes]) -> Iterator[bytes]:
        """Return the stream, which ends when `close` is called.

        Raises TooManyRequests for one user's hundredth or so.
        """
        whose = Whose(user_id, org_id)
        self._shares.check(whose, "event streams open", retry_after=10, hint="Close some of them.")
        return self._run(whose, parts)

    def close(self) -> None:
        """End every open stream; their clients come back when there is a server again."""
        for greenlet in list(self._greenlets):
            greenlet.kill(_StreamsClosed(), block=False)

    def _run(self, whose: Whose, parts: Iterator[bytes]) -> Iterator[bytes]:
        greenlet = cast("gevent.Greenlet[..., object]", gevent.getcurrent())
        self._greenlets.add(greenlet)
        self._shares.add(whose)

        try:
            yield from parts
        except _StreamsClosed:
            return
        finally:
            self._greenlets.discard(greenlet)
            self._shares.remove(whose)


class _StreamsClosed(ConnectionError):
    """Thrown into a stream that waits.

    One that is just sending takes it for a connection that broke.
    """
