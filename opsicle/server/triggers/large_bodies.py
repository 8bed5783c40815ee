"""How many large bodies are read at once of callers who are not known yet.

Most senders can be known only once their whole body is there. Whoever is a stranger must not fill
the server's memory with bodies that never end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from opsicle.domain.errors import TooManyRequests
from opsicle.wire.endpoint import MAX_CREDENTIAL_BODY_BYTES

MOST_AT_ONCE = 64
MOST_OF_ONE_ADDRESS = 8


class LargeBodies:
    """Slots for bodies that are longer than those of any other stranger, or of unknown length."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    @contextmanager
    def slot(self, address: str, declared: str) -> Iterator[None]:
        """Hold a slot, if one is needed. Raises TooManyRequests where there is none.

        `declared` is the length that the body is said to have, "" if nobody says.
        """
        if declared and int(declared) <= MAX_CREDENTIAL_BODY_BYTES:
            yield
            return
        if self._taken[address] >= MOST_OF_ONE_ADDRESS or self._taken.total() >= MOST_AT_ONCE:
            raise TooManyRequests(
                "too many large bodies at once", retry_after=1, hint="Send one after the other."
            )
        self._taken[address] += 1
        try:
            yield
        finally:
            self._taken[address] -= 1
            self._taken += Counter()  # which keeps those above zero alone
