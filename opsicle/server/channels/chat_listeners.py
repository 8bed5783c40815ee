"""Listening to every chat service.

One greenlet a channel, begun and ended as channels come, change and go.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

import gevent

from opsicle.kit.backoff import Backoff
from opsicle.server.channels.messages import Undelivered

log = logging.getLogger(__name__)

POLL_SECONDS = 25
_EMPTY_WAIT_SECONDS = 1.0
"""Before asking again a server that does not wait for something to happen."""


class Inbox(Protocol):
    """One kind of chat service."""

    def channels(self) -> dict[str, int]:
        """Return the channels to listen to, with their versions."""

    def open(self, channel_id: str) -> AbstractContextManager[Callable[[int], int]]:
        """Return what waits for events for so many seconds, and says how many it handled."""


class ChatListeners:
    """Owns the greenlets. `turn` brings them in line with the channels; `close` ends them all."""

    def __init__(self, *inboxes: Inbox) -> None:
        self._inboxes = inboxes
        self._listening: dict[tuple[str, int], gevent.Greenlet[..., None]] = {}

    def turn(self) -> None:
        """Listen to what there is now, in its newest version."""
        wanted = {key: inbox for inbox in self._inboxes for key in inbox.channels().items()}
        for key in [key for key in self._listening if key not in wanted]:
            self._listening.pop(key).kill(block=False)
        for key in wanted.keys() - self._listening.keys():
            self._listening[key] = gevent.spawn(self._listen, wanted[key], key[0])

    def close(self) -> None:
        """Listen no more."""
        gevent.killall(list(self._listening.values()), timeout=1)
        self._listening.clear()

    def _listen(self, inbox: Inbox, channel_id: str) -> None:
        backoff = Backoff(1, 60)
        while True:
            try:
                self._poll(inbox, channel_id, backoff)
            except Undelivered as error:
                log.warning(
                    "a chat service cannot be reached",
                    extra={"channel": channel_id, "reason": error.reason},
                )
            except Exception:
                log.exception("listening failed", extra={"channel": channel_id})
            gevent.sleep(backoff.next_delay())

    @staticmethod
    def _poll(inbox: Inbox, channel_id: str, backoff: Backoff) -> None:
        with inbox.open(channel_id) as poll:
            while True:
                found = poll(POLL_SECONDS)
                backoff.reset()
                if not found:
                    gevent.sleep(_EMPTY_WAIT_SECONDS)
