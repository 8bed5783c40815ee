"""Detects that two processes use one worker's identity.

A copied data folder, a cloned machine, a stolen key.

Every worker process names its instance, a random id, in its polls. A process that is started again
is a new instance, and nothing comes from the old one any more: the folder is locked while its
process runs, so that no other can begin before. A copy polls beside the original: the instance that
was thought to have ended goes on polling.
"""

from __future__ import annotations

import msgspec

OBSERVE_SECONDS = 2.0
"""How long a new instance waits for work if the one before did not say that it ends: an original
that still runs polls again at once when a new instance arrives, so before a copy is given
anything."""

CONFIRM_SECONDS = 35.0
"""How long after it came back an older instance must still poll to count as running. What a dead
process has left in sockets arrives within 30 s of its end (`TCP_USER_TIMEOUT` of the worker's
connections)."""

AMBIGUOUS_SECONDS = 50.0
"""How long two instances are in doubt: one that runs polls at least every 10 s while no work is
given to it."""

ALONE_SECONDS = 120.0
"""How long a single instance must have polled alone until it counts as the only one again."""

_MAX_INSTANCES = 8
"""Remembered at once; a worker that makes them up is not worth more memory."""


class _Instance(msgspec.Struct):
    """One instance of a worker's process. Times are in seconds of the monotonic clock.

    `returned_at`: when it polled again although a newer instance had polled.
    """

    address: str
    number: int
    seen_at: float
    returned_at: float | None = None


class ProcessInstances:
    """The instances that have polled under one identity since the server started.

    `copied` are the addresses of two of them, once it is proven that both run.
    """

    __slots__ = ("_by_id", "_count", "_settled_at", "copied", "copied_at")

    def __init__(self) -> None:
        self._by_id: dict[str, _Instance] = {}
        self._count = 0
        self._settled_at = 0.0
        self.copied: tuple[str, ...] = ()
        self.copied_at = 0.0

    def restore_copied(self, addresses: tuple[str, ...], now: float) -> None:
        """Restore the copy that was found before the server was restarted."""
        self.copied, self.copied_at = addresses, now

    def record_poll(self, boot_id: str, address: str, now: float, *, has_left: bool) -> bool:
        """Record a poll. Return True if it is the first of a new instance.

        `has_left`: the instance before has said that it ends.
        """
        instance = self._by_id.get(boot_id)
        if instance is None:
            self._begin(boot_id, address, now, has_left)
            return True

        instance.seen_at, instance.address = now, address
        newest = max(other.number for other in self._by_id.values())
        if instance.number == newest:
            return False

        if instance.returned_at is None:
            instance.returned_at = now
        elif now - instance.returned_at >= CONFIRM_SECONDS and not self.copied:
            latest = max(self._by_id.values(), key=lambda other: other.number)
            self.copied, self.copied_at = (instance.address, latest.address), now
        return False

    def drop_silent(self, now: float) -> bool:
        """Drop instances that poll no more.

        Return True if a copy was proven before, and only one instance is left now.
        """
        if len(self._by_id) == 1 and not self.copied:
            return False
        others = sorted(self._by_id.items(), key=lambda item: item[1].seen_at)[:-1]
        for boot_id, instance in others:
            if now - instance.seen_at > ALONE_SECONDS:
                del self._by_id[boot_id]
        if not self.copied or len(self._by_id) > 1 or now - self.copied_at <= ALONE_SECONDS:
            return False

        self.copied = ()
        for instance in self._by_id.values():
            instance.returned_at = None
        return True

    def refusal_reason(self, now: float) -> str:
        """Return why none of these instances is to be given work; "" if one may."""
        if self.copied:
            return (
                f"two processes use its identity, from {' and from '.join(self.copied)}; "
                "stop one of them, or let it enrol anew"
            )
        if self.is_ambiguous(now):
            return "two processes seem to use its identity"
        return ""

    def is_ambiguous(self, now: float) -> bool:
        """Return whether an older instance polled so lately that nobody can say if it has ended."""
        if self.copied:
            return False
        for instance in self._by_id.values():  # asked several times in each poll
            if instance.returned_at is not None and now - instance.returned_at < AMBIGUOUS_SECONDS:
                return True
        return False

    def is_only(self, boot_id: str, now: float) -> bool:
        """Return whether this is the worker's only instance, as far as anybody can tell yet."""
        is_clear = not (self.copied or self.is_observing(now) or self.is_ambiguous(now))
        return is_clear and boot_id in self._by_id

    def is_observing(self, now: float) -> bool:
        """Return whether a new instance has just begun, and the one before did not say it ends."""
        return now < self._settled_at

    def _begin(self, boot_id: str, address: str, now: float, has_left: bool) -> None:
        if self._by_id and not has_left:
            self._settled_at = now + OBSERVE_SECONDS
        while len(self._by_id) >= _MAX_INSTANCES:
            del self._by_id[min(self._by_id, key=lambda known: self._by_id[known].seen_at)]
        self._count += 1
        self._by_id[boot_id] = _Instance(address, self._count, now)
