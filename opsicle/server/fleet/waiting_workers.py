"""The workers whose polls wait with room for work, so that a trigger finds one quickly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsicle.domain.workers import Requirements

if TYPE_CHECKING:
    from opsicle.server.fleet.presence import Presence

SHARED_POOL = ""
"""Where shared workers are at home, in the place of an org's id."""

_IndexKey = tuple[str, str, str]
"""A home, and a label's key and value; both empty for all of the home."""


class WaitingWorkers:
    """The workers whose polls wait, by home and label, longest waiting first.

    So a trigger looks at those with the rarest of the labels that it asks for, and not at the whole
    fleet.
    """

    def __init__(self) -> None:
        self._by_key: dict[_IndexKey, dict[str, Presence]] = {}
        self._keys_of: dict[str, list[_IndexKey]] = {}

    def add(self, presence: Presence) -> None:
        """Let a worker be found, as its poll describes it now."""
        self.remove(presence)
        pool = SHARED_POOL if presence.is_shared else presence.org_id
        labels = presence.poll.labels.items() | presence.granted.items()
        keys: list[_IndexKey] = [(pool, "", ""), *((pool, key, value) for key, value in labels)]
        self._keys_of[presence.worker_id] = keys
        for key in keys:
            self._by_key.setdefault(key, {})[presence.worker_id] = presence

    def remove(self, presence: Presence) -> None:
        """Let a worker be found no longer; harmless if it was not."""
        for key in self._keys_of.pop(presence.worker_id, ()):
            workers = self._by_key[key]
            del workers[presence.worker_id]
            if not workers:
                del self._by_key[key]

    def candidates(self, pool: str, wanted: Requirements) -> list[Presence]:
        """Return a home's workers that fulfil the rarest term, so all that fulfil every one.

        Of terms that name values; where there is none, all of the home. Those with one value come
        before those with the next.
        """
        choices: list[list[_IndexKey]] = [
            [(pool, term.key, value) for value in term.values]
            for term in wanted.terms
            if term.values and not term.is_exclusion
        ]
        found = [
            [self._by_key[key] for key in keys if key in self._by_key]
            for keys in choices or [[(pool, "", "")]]
        ]
        rarest = min(found, key=lambda there: sum(map(len, there)))
        return [presence for key in rarest for presence in key.values()]
