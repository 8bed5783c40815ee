"""The signed permission that goes with every piece of work.

One worker, one job, once, for a minute. It is kept as it was signed for as long as its automation.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import NamedTuple

from opsicle.domain.manifests import BoundDecision, WorkOrder, canonical, digest
from opsicle.domain.pauses import Resume
from opsicle.kit.clock import Clock
from opsicle.security.order_key import OrderKey
from opsicle.server.dispatch.lease_store import Lease
from opsicle.server.store import approvals, orders
from opsicle.server.store.approvals import ApprovalRow
from opsicle.server.store.database import Connection
from opsicle.server.store.epochs import FIRST_EPOCH, Epoch
from opsicle.server.store.orders import OrderRow
from opsicle.wire.worker_api import LEASE_SECONDS

ORDER_LIFETIME = timedelta(seconds=2 * LEASE_SECONDS)
"""An order is looked at when it arrives, which is well within the lease; the rest is for a slow
network."""


class Ordered(NamedTuple):
    """What is ordered: a manifest in the worker's format, how it goes on, or its plan alone."""

    number: int
    manifest: bytes
    resume: Resume | None = None
    is_plan: bool = False


class OrderSigner:
    """Signs orders, and keeps them."""

    def __init__(self, key: OrderKey, clock: Clock, epoch: Epoch = FIRST_EPOCH) -> None:
        self._key = key
        self._clock = clock
        self.epoch = epoch

    def sign(
        self, db: Connection, lease: Lease, what: Ordered, approval: ApprovalRow | None
    ) -> tuple[bytes, bytes]:
        """Return the order to carry out a manifest, or to go on with it, and its signature.

        The order is in the worker's format. It is kept in the transaction that gives the lease.
        """
        now = self._clock.now()
        order = WorkOrder(
            org_id=lease.org_id,
            worker_id=lease.worker_id,
            automation_id=lease.automation_id,
            job_id=lease.job_id,
            fence=lease.fence,
            nonce=secrets.token_hex(16),
            manifest_digest=digest(what.manifest),
            policy_digest=approval.policy_digest if approval else "",
            decisions=_decisions(db, approval) if approval else (),
            issued_at=now,
            expires_at=now + ORDER_LIFETIME,
            epoch=self.epoch.number,
            epoch_id=self.epoch.id,
            resume=what.resume,
            is_plan=what.is_plan,
        )
        content = canonical(order.in_format(what.number))
        signature, key = self._key.sign(content), self._key.public.raw
        orders.insert(db, OrderRow(lease.job_id, lease.fence, content, signature, key))
        return content, signature


def _decisions(db: Connection, approval: ApprovalRow) -> tuple[BoundDecision, ...]:
    return tuple(
        BoundDecision(
            gate=decision.gate,
            decision=decision.verdict,
            user_id=decision.user_id,
            email=decision.email,
            with_mfa=decision.with_mfa,
            decided_at=decision.decided_at,
            principal_id=decision.principal,
        )
        for decision in approvals.list_decisions(db, approval.id)
    )
