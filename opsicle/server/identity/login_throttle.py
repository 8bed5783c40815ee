"""How often a password may be tried.

At most `MAX_PER_ACCOUNT` wrong passwords of one account are checked in any `WINDOW`, wherever they
come from. That alone would let anybody lock a person out for as long as they care to go on, so
unknown clients share a part of it; the rest is kept for addresses from which this person has logged
in before. Attempts are noted before the password is checked, so that many at once cannot slip
through, and forgotten if it was right.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from opsicle.domain.errors import TooManyRequests
from opsicle.domain.source_networks import source_network
from opsicle.kit.clock import Clock, from_text
from opsicle.server.store import login_attempts, sessions
from opsicle.server.store.database import Connection, Database

WINDOW = timedelta(minutes=15)
MAX_PER_ACCOUNT = 10
MAX_FROM_UNKNOWN = 6
MAX_PER_ADDRESS = 50
"""An office behind one address has many people, and each of them mistypes now and then."""


class LoginThrottle:
    """Counts what was tried and was wrong, by account and by address."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def begin(self, email: str, address: str) -> int:
        """Note that a password is about to be checked.

        Returns the attempt, to be deleted if it is right.

        Raises TooManyRequests.
        """
        now = self._clock.now()

        def work(db: Connection) -> int:
            login_attempts.delete_until(db, now - WINDOW)
            login_attempts.date_back(db, now)
            is_known = sessions.was_used_from(db, email, address)
            limit = MAX_PER_ACCOUNT if is_known else MAX_FROM_UNKNOWN
            check_times(login_attempts.times_of_account(db, email, now - WINDOW), limit, now)
            check_times(
                login_attempts.times_from_address(db, source_network(address), now - WINDOW),
                MAX_PER_ADDRESS,
                now,
            )
            return login_attempts.insert(db, email, source_network(address), now)

        return self._database.write(work)

    def check_address(self, address: str) -> None:
        """Raise TooManyRequests if too many proofs from this address were wrong."""
        now = self._clock.now()
        since = now - WINDOW
        check_times(
            self._database.read(
                lambda db: login_attempts.times_from_address(db, source_network(address), since)
            ),
            MAX_PER_ADDRESS,
            now,
        )

    def note_refusal(self, db: Connection, address: str) -> None:
        """Count a proof that belongs to no account (a setup or join token) and was wrong."""
        now = self._clock.now()
        login_attempts.delete_until(db, now - WINDOW)
        login_attempts.insert(db, "", source_network(address), now)


def check_times(times: list[str], limit: int, now: datetime) -> None:
    """Raise TooManyRequests if these attempts of the last `WINDOW` are too many.

    They come oldest first.
    """
    if len(times) >= limit:
        free_at = from_text(times[-limit]) + WINDOW
        raise TooManyRequests(
            "too many wrong attempts",
            retry_after=max(1, int((free_at - now).total_seconds()) + 1),
            hint="Wait a few minutes. Sessions and API tokens that exist go on working.",
        )
