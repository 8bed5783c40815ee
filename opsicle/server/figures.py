"""What the server counts about all orgs together, for those who run it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from opsicle.domain.waiting_reasons import waiting_kind
from opsicle.domain.workers import Requirements
from opsicle.server.access.stored_values import stored_requirements
from opsicle.server.dispatch.queue_limits import running_limit_reason
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.store import automations, concurrency, deliveries, orgs, run_windows
from opsicle.server.store.database import Database
from opsicle.server.store.waiting import WaitingGroup, count_waiting

_MOST_SETS = 100
"""Of labels that are figures of their own: Prometheus keeps each for long."""

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
        for i, group in enumerate(self._database.read_long(count_waiting)):
            counted[self._reason(group) if i < _MOST_GROUPS else "other"] += group.count
        return counted

    def waiting(self) -> Mapping[tuple[str, ...], int]:
        """Return how many automations one more worker could take, by org and the labels it needs.

        Not those that are for one certain worker, or that their org's limit holds up. Of what asks
        for rarer labels only the sum.
        """
        counted: Counter[tuple[str, str]] = Counter()
        for group in self._database.read_long(count_waiting):
            asked = stored_requirements(group.requirements)
            if not asked.only_worker and not self._is_limited(group.org_id):
                counted[group.org_id, labels_text(asked)] += group.count
        named, rest = counted.most_common()[:_MOST_SETS], counted.most_common()[_MOST_SETS:]

        found = self._database.read(
            lambda db: {org_id: orgs.find(db, org_id) for (org_id, _), _ in named}
        )
        codes = {org_id: org.code for org_id, org in found.items() if org}
        shown: dict[tuple[str, ...], int] = {
            (codes[org_id], labels): count for (org_id, labels), count in named
        }
        return shown | ({("", "other"): sum(count for _, count in rest)} if rest else {})

    def _is_limited(self, org_id: str) -> bool:
        return org_id in self._fleet.limited_orgs and bool(
            self._database.read(lambda db: running_limit_reason(db, org_id))
        )

    def _reason(self, group: WaitingGroup) -> str:
        asked = stored_requirements(group.requirements)
        kind = waiting_kind(asked, self._fleet.candidates(group.org_id))
        return "org_limit" if kind == "ready" and self._is_limited(group.org_id) else kind


def labels_text(asked: Requirements) -> str:
    """Return the labels that a worker needs as one text: `site=ams,zone=eu`, then an expression."""
    labels = ",".join(f"{key}={value}" for key, value in sorted(asked.labels.items()))
    return "; ".join(part for part in (labels, asked.where or "") if part)
