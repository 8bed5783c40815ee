"""What the server counts about all orgs together, for those who run it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from opsicle.domain.waiting_reasons import waiting_kind
from opsicle.server.access.stored_values import stored_requirements
from opsicle.server.dispatch.queue_limits import running_limit_reason
from opsicle.server.fleet.presence import Fleet
from opsicle.server.store import automations, concurrency, deliveries, run_windows
from opsicle.server.store.database import Database

_MOST_GROUPS = 50
"""Of automations that ask for the same: each is compared with every worker while others wait."""


class Figures:
    """Counted when somebody asks, and apart from the event loop where it takes long."""

    def __init__(self, database: Database, fleet: Fleet, ended: Mapping[str, int]) -> None:
        """Keep `ended`: how many automations ended in which state since the server started."""
        self._database = database
        self._fleet = fleet
        self.ended = ended

    def open_automations(self) -> Mapping[str, int]:
        """Return how many automations are in each state that is not final."""
        return self._database.read_long(automations.count_by_state)

    def deliveries(self) -> Mapping[str, int]:
        """Return how many deliveries that are still kept are in each state."""
        return self._database.read_long(deliveries.count_by_state)

    def queue(self) -> Mapping[str, int]:
        """Return how many automations wait for a worker, by what keeps them waiting."""
        counted: Counter[str] = Counter()
        if behind := self._database.read_long(concurrency.count_behind):
            counted["group"] = behind
        if early := self._database.read_long(run_windows.count_early):
            counted["window"] = early
        for i, group in enumerate(self._database.read_long(automations.count_waiting)):
            counted[self._reason(group) if i < _MOST_GROUPS else "other"] += group.count
        return counted

    def _reason(self, group: automations.WaitingGroup) -> str:
        asked = stored_requirements(group.requirements)
        kind = waiting_kind(asked, self._fleet.candidates(group.org_id))
        is_limited = group.org_id in self._fleet.limited_orgs and self._database.read(
            lambda db: running_limit_reason(db, group.org_id)
        )
        return "org_limit" if kind == "ready" and is_limited else kind
