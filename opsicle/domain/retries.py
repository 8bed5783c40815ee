"""Whether a failed phase is tried again, and after how long."""

from __future__ import annotations

from opsicle.domain.templates import Retries

MAX_RETRY_DELAY_SECONDS = 24 * 3600
MAX_BACKOFF = 10

SPREAD = 0.1
"""By so much of itself a growing delay is longer, at most: many that failed at one moment do not
all come back at one moment."""


def is_retried(retries: Retries, exit_code: int | None) -> bool:
    """Return whether a phase that failed so may be tried again; None: for another reason."""
    return not retries.retry_on or exit_code in retries.retry_on


def retry_delay(retries: Retries, failed_tries: int, chance: float) -> float:
    """Return the seconds to wait after so many failed tries. `chance` is between 0 and 1.

    >>> [retry_delay(Retries(limit=9, delay=5, backoff=2.0), tries, 0) for tries in (1, 2, 3)]
    [5.0, 10.0, 20.0]
    """
    if retries.backoff == 1:
        return retries.delay
    grown = retries.delay * retries.backoff ** (failed_tries - 1) * (1 + SPREAD * chance)
    return min(grown, MAX_RETRY_DELAY_SECONDS)
