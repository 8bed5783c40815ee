"""Which of the waiting automations a worker can take next."""

from __future__ import annotations

from itertools import zip_longest

from opsicle.domain.workers import is_able
from opsicle.server.dispatch.leased_work import LeasedWork
from opsicle.server.dispatch.queue_limits import free_capacity
from opsicle.server.dispatch.waiting_kinds import KindScan, WaitingKinds
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.fleet.presence import Presence
from opsicle.server.store import automations, orgs
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection


class QueueReader:
    """Finds what is first in the queues of the orgs that a worker serves."""

    def __init__(self, kinds: WaitingKinds, fleet: Fleet) -> None:
        self._kinds = kinds
        self._fleet = fleet

    def may_wait_for(self, presence: Presence) -> bool:
        """Return whether anything may wait that an org's own worker can take; never wrongly no."""
        org_id = presence.org_id
        return self._kinds.has_any(org_id) and bool(
            self._kinds.fitting(org_id, self._fleet.candidate(presence, busy=0))
        )

    def list_next(
        self, db: Connection, presence: Presence, free: int, leased: LeasedWork
    ) -> list[AutomationRow]:
        """Return up to `free` automations that a worker can take.

        For a shared one by turns of the orgs: the one that a shared worker served longest ago comes
        first, so that nobody's queue holds up another's. What was looked at, and what is left
        for others, is noted in `leased`.
        """
        leased.left_waiting = []
        served = orgs.list_shared_waiting(db) if presence.is_shared else [presence.org_id]
        queues: list[list[AutomationRow]] = []
        for org_id in served:
            if len(queues) > free:
                break  # each of these has a turn before it
            if queue := self._list_of_org(db, presence, org_id, free, leased):
                queues.append(queue)

        found = [row for turn in zip_longest(*queues) for row in turn if row is not None]
        if len(found) <= free:
            leased.left_waiting = []
        return found[:free]

    def _list_of_org(
        self, db: Connection, presence: Presence, org_id: str, free: int, leased: LeasedWork
    ) -> list[AutomationRow]:
        """Return the first `free` + 1 automations that a worker can take, as the org has room."""
        me = self._fleet.candidate(presence, busy=0)
        rows: list[AutomationRow] = []
        if not is_able(me):
            return rows

        kinds = self._kinds.fitting(org_id, me)
        room = free_capacity(db, org_id, free + 1) if kinds else 0
        if room <= 0:
            return rows

        leased.left_waiting += [(org_id, kind.asked) for kind in kinds]

        for kind in kinds:
            if len(rows) >= room and kind.first_rank > rows[-1].rank:
                break  # all that is left comes after what was found

            most = room + len(presence.put_off) + len(presence.unsupported)
            found = automations.list_waiting(db, org_id, kind.requirements, most)
            leased.scans.append(
                KindScan(org_id, kind.requirements, kind.revision, found[0].rank if found else None)
            )
            offered = [row for row in found if not self._fleet.is_put_off(presence, row.id)]
            rows = sorted([*rows, *offered], key=lambda row: row.rank)[:room]
        return rows
