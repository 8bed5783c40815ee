"""The workers whose polls wait with room for work, so that a trigger finds one quickly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsicle.domain.workers import Requirements

if TYPE_CHECKING:
    from opsicle.server.fleet.presence import Presence

SHARED_HOME = ""
"""Where shared workers are at home, in the place of an org's id."""

_Place = tuple[str, str, str]
"""A home, and a label's key and value; both empty for all of the home."""


class WaitingWorkers:
    """The workers whose polls wait, by home and label, longest waiting first.

    So a trigger looks at those with the rarest of the labels that it asks for, and not at the whole
    fleet.
    """

    def __init__(self) -> None:
        self._places: dict[_Place, dict[str, Presence]] = {}
        self._places_of: dict[str, list[_Place]] = {}

    def add(self, presence: Presence) -> None:
        """Let a worker be found, as its poll describes it now."""
        self.remove(presence)
        home = SHARED_HOME if presence.is_shared else presence.org_id
        labels = presence.poll.labels.items() | presence.granted.items()
        places: list[_Place] = [(home, "", ""), *((home, key, value) for key, value in labels)]
        self._places_of[presence.worker_id] = places
        for place in places:
            self._places.setdefault(place, {})[presence.worker_id] = presence

    def remove(self, presence: Presence) -> None:
        """Let a worker be found no longer; harmless if it was not."""
        for place in self._places_of.pop(presence.worker_id, ()):
            there = self._places[place]
            del there[presence.worker_id]
            if not there:
                del self._places[place]

    def around(self, home: str, wanted: Requirements) -> list[Presence]:
        """Return a home's workers that fulfil the rarest term, so all that fulfil every one.

        Of terms that name values; where there is none, all of the home. Those with one value come
        before those with the next.
        """
        choices: list[list[_Place]] = [
            [(home, term.key, value) for value in term.values]
            for term in wanted.terms
            if term.values and not term.is_exclusion
        ]
        found = [
            [self._places[place] for place in places if place in self._places]
            for places in choices or [[(home, "", "")]]
        ]
        rarest = min(found, key=lambda there: sum(map(len, there)))
        return [presence for place in rarest for presence in place.values()]
