"""What has been leased to a worker, and is durable once the transaction is that has done it."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from opsicle.domain.workers import Requirements
from opsicle.server.dispatch.concurrency_groups import GroupChanges
from opsicle.server.dispatch.lease_store import Lease
from opsicle.server.dispatch.waiting_kinds import KindScan
from opsicle.server.dispatch.work_builder import CheckedWork, WorkManifest
from opsicle.server.store.automations import AutomationRow
from opsicle.wire.jobs import Work


class LeasedWork(msgspec.Struct):
    """What one transaction has given to one worker, and what others like it could still take.

    `is_pushed`: the work goes out otherwise than with the poll that found it. `refused` have ended
    instead: they are not what was triggered, their approval no longer holds, or their window has
    closed.
    """

    is_pushed: bool = False
    items: list[tuple[Lease, Work]] = msgspec.field(default_factory=list)
    refused: list[AutomationRow] = msgspec.field(default_factory=list)
    left_waiting: list[tuple[str, Requirements]] = msgspec.field(default_factory=list)
    group_changes: GroupChanges = msgspec.field(default_factory=GroupChanges)
    scans: list[KindScan] = msgspec.field(default_factory=list)

    @property
    def work(self) -> tuple[Work, ...]:
        """What the worker is told."""
        return tuple(work for _, work in self.items)


class PlannedLease(NamedTuple):
    """A lease that may begin, and what its worker will be told."""

    lease: Lease
    checked: CheckedWork
    manifest: WorkManifest
