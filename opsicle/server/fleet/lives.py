"""Noticing that two processes use one worker's identity.

A copied data folder, a cloned machine, a stolen key.

Every life of a worker's process names itself in its polls. A process that ends and starts again is
a new life, and the old one is heard no more: its folder is locked while it lives, so that the new
one cannot begin before. A copy is heard beside the original: the life that was thought to be over
goes on polling.
"""

from __future__ import annotations

from dataclasses import dataclass

SETTLING_SECONDS = 2.0
"""How long a new life waits for work if the one before it did not say goodbye: an original that
lives polls again at once when a new life arrives, and is heard before the copy is given
anything."""

PROOF_SECONDS = 35.0
"""How long after it came back an older life must still be heard to count as alive. What a dead
process has left in sockets arrives within 30 s of its end (`TCP_USER_TIMEOUT` of the worker's
connections)."""

DOUBT_SECONDS = 50.0
"""How long two lives are in doubt: one that is alive polls at least every 10 s while no work is
given to it."""

ALONE_SECONDS = 120.0
"""How long only one life must have been heard until it counts as the only one again."""

_MOST_LIVES = 8
"""Remembered at once; a worker that makes them up is not worth more memory."""


@dataclass(slots=True)
class _Life:
    """One life of a worker's process. Times are in seconds of the monotonic clock.

    `returned_at`: when it was heard again although a newer life had been heard.
    """

    address: str
    number: int
    seen_at: float
    returned_at: float | None = None


class WorkerLives:
    """The lives that have polled under one identity since the server started.

    `copied` are the addresses of two of them, once it is proven that both live.
    """

    __slots__ = ("_by_id", "_count", "_settled_at", "copied", "copied_at")

    def __init__(self) -> None:
        self._by_id: dict[str, _Life] = {}
        self._count = 0
        self._settled_at = 0.0
        self.copied: tuple[str, ...] = ()
        self.copied_at = 0.0

    def remember_copied(self, addresses: tuple[str, ...], now: float) -> None:
        """Take up what an earlier life of the server had found out."""
        self.copied, self.copied_at = addresses, now

    def hear(self, boot_id: str, address: str, now: float, *, has_left: bool) -> bool:
        """Note a poll; True if it is the first of a new life.

        `has_left`: the life before said goodbye.
        """
        life = self._by_id.get(boot_id)
        if life is None:
            self._begin(boot_id, address, now, has_left)
            return True

        life.seen_at, life.address = now, address
        newest = max(other.number for other in self._by_id.values())
        if life.number == newest:
            return False

        if life.returned_at is None:
            life.returned_at = now
        elif now - life.returned_at >= PROOF_SECONDS and not self.copied:
            latest = max(self._by_id.values(), key=lambda other: other.number)
            self.copied, self.copied_at = (life.address, latest.address), now
        return False

    def forget_silent(self, now: float) -> bool:
        """Forget lives that are heard no more.

        True if a copy was proven before, and only one life is left now.
        """
        if len(self._by_id) == 1 and not self.copied:
            return False
        others = sorted(self._by_id.items(), key=lambda item: item[1].seen_at)[:-1]
        for boot_id, life in others:
            if now - life.seen_at > ALONE_SECONDS:
                del self._by_id[boot_id]
        if not self.copied or len(self._by_id) > 1 or now - self.copied_at <= ALONE_SECONDS:
            return False

        self.copied = ()
        for life in self._by_id.values():
            life.returned_at = None
        return True

    def refusal_reason(self, now: float) -> str:
        """Say why none of these lives is to be given work; "" if one may."""
        if self.copied:
            return (
                f"two processes use its identity, from {' and from '.join(self.copied)}; "
                "stop one of them, or let it enrol anew"
            )
        if self.is_in_doubt(now):
            return "two processes seem to use its identity"
        return ""

    def is_in_doubt(self, now: float) -> bool:
        """Return whether a life was heard so lately that nobody can say if it is over."""
        returned = [
            life.returned_at for life in self._by_id.values() if life.returned_at is not None
        ]
        return not self.copied and any(now - at < DOUBT_SECONDS for at in returned)

    def is_only(self, boot_id: str, now: float) -> bool:
        """Return whether this is the only life of the worker, as far as anybody can tell yet."""
        is_clear = not (self.copied or self.is_settling(now) or self.is_in_doubt(now))
        return is_clear and boot_id in self._by_id

    def is_settling(self, now: float) -> bool:
        """Return whether a life has only just begun without a goodbye from the one before."""
        return now < self._settled_at

    def _begin(self, boot_id: str, address: str, now: float, has_left: bool) -> None:
        if self._by_id and not has_left:
            self._settled_at = now + SETTLING_SECONDS
        while len(self._by_id) >= _MOST_LIVES:
            del self._by_id[min(self._by_id, key=lambda known: self._by_id[known].seen_at)]
        self._count += 1
        self._by_id[boot_id] = _Life(address, self._count, now)
