"""A waiting worker's slot, kept for an automation that is being triggered."""

from __future__ import annotations

import msgspec

from opsicle.server.dispatch.lease_service import LeaseService
from opsicle.server.dispatch.leased_work import LeasedWork, PlannedLease
from opsicle.server.dispatch.work_builder import CheckedWork
from opsicle.server.fleet.presence import Presence
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection


class SlotReservation:
    """A slot of a waiting worker, kept for the automation that is being triggered."""

    def __init__(self, lease_service: LeaseService, presence: Presence) -> None:
        self._lease_service = lease_service
        self.presence = presence
        self.leased = LeasedWork()
        self._planned: PlannedLease | None = None

    def lease(self, db: Connection, row: AutomationRow, checked: CheckedWork) -> AutomationRow:
        """Return a new automation as it is to be inserted: with the worker's lease, if it may be.

        Inside the transaction that triggers it. `checked` is what that has just bound.
        """
        self._planned = self._lease_service.plan_new(db, self.presence, row, checked)
        if self._planned is None:
            return row
        lease, presence = self._planned.lease, self.presence
        return msgspec.structs.replace(
            row,
            fence=lease.fence,
            job_id=lease.job_id,
            worker_id=presence.worker_id,
            worker_name=presence.name,
        )

    def begin(self, db: Connection, row: AutomationRow) -> None:
        """Begin the lease of an automation that has been inserted, or else try to get it one."""
        self.leased = LeasedWork(is_pushed=True)
        if self._planned:
            self._lease_service.begin(db, self.presence, row, self._planned, self.leased)
        else:
            self._lease_service.lease_one(db, self.presence, row, self.leased)
