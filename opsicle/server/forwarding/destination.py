"""What the forwarder asks of a place to which the record goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from opsicle.server.forwarding.events import Event


class Destination(Protocol):
    """A place to which events go. Used by one greenlet at a time."""

    @property
    def name(self) -> str:
        """What cursors, logs and figures call it; the same for ever."""

    def send(self, events: Sequence[Event]) -> None:
        """Send events, behind all that were sent before; open what is needed for that.

        Raises OSError. How many of them have arrived then is not known.
        """

    def confirmed(self) -> int:
        """Return how many of the events sent since `close` have surely arrived.

        Raises OSError when that can be told of no more of them.
        """

    def close(self) -> None:
        """Let go of what is open; what had not settled may or may not have arrived."""

    def end(self) -> None:
        """Close for good."""
