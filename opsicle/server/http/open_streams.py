"""The event streams that are open: counted, bounded, and ended when the server stops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import cast

import gevent

from opsicle.domain.errors import TooManyRequests

MAX_STREAMS_PER_USER = 100
MAX_STREAMS_PER_ORG = 500
MAX_STREAMS = 3000


class EventStreams:
    """The streams that are open.

    So they can be counted, bounded, and ended when the server stops.
    """

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()
        """By user and by org; their ids are never alike."""

        self._greenlets: set[gevent.Greenlet[..., object]] = set()

    def __len__(self) -> int:
        return len(self._greenlets)

    def admit(self, user_id: str, org_id: str, parts: Iterator[bytes]) -> Iterator[bytes]:
        """Return the stream, which ends when `close` is called.

        Raises TooManyRequests for one user's hundredth or so.

        An org has a share too, so that its own people can be many, and leave room for others.
        """
        is_user_full = self._open[user_id] >= MAX_STREAMS_PER_USER
        if is_user_full or self._open[org_id] >= MAX_STREAMS_PER_ORG or len(self) >= MAX_STREAMS:
            whose = "you have" if is_user_full else "your org has"
            raise TooManyRequests(
                f"{whose} too many event streams open", retry_after=10, hint="Close some of them."
            )
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
    """Thrown into a stream that waits.

    One that is just sending takes it for a connection that broke.
    """
