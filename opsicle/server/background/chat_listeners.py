"""Listening to every bot: one greenlet each, begun and ended as channels come, change and go."""

from __future__ import annotations

import logging

import gevent

from opsicle.kit.backoff import Backoff
from opsicle.server.approver.messages import Undelivered
from opsicle.server.services.telegram_inbox import TelegramInbox

log = logging.getLogger(__name__)

POLL_SECONDS = 25
_EMPTY_WAIT_SECONDS = 1.0
"""Before asking again a server that does not wait for something to happen."""


class ChatListeners:
    """Owns the greenlets. `turn` brings them in line with the channels; `close` ends them all."""

    def __init__(self, inbox: TelegramInbox) -> None:
        self._inbox = inbox
        self._listening: dict[tuple[str, int], gevent.Greenlet[..., None]] = {}

    def turn(self) -> None:
        """Listen to what there is now, in its newest version."""
        wanted = set(self._inbox.channels().items())
        for key in [key for key in self._listening if key not in wanted]:
            self._listening.pop(key).kill(block=False)
        for key in wanted - self._listening.keys():
            self._listening[key] = gevent.spawn(self._listen, key[0])

    def close(self) -> None:
        """Listen no more."""
        gevent.killall(list(self._listening.values()), timeout=1)
        self._listening.clear()

    def _listen(self, channel_id: str) -> None:
        backoff = Backoff(1, 60)
        while True:
            try:
                if not self._inbox.poll(channel_id, POLL_SECONDS):
                    gevent.sleep(_EMPTY_WAIT_SECONDS)
                backoff.reset()
            except Undelivered as error:
                log.warning("a bot cannot be reached", extra={"channel": channel_id, "reason": error.reason})
                gevent.sleep(backoff.next_delay())
            except Exception:
                log.exception("listening failed", extra={"channel": channel_id})
                gevent.sleep(backoff.next_delay())
