"""A call as it came in, and what is kept of it: neither its body nor any header."""

from __future__ import annotations

import hashlib
from datetime import datetime

import msgspec

from opsicle.domain.triggers import KEPT_CALLS, KEPT_REFUSALS, CallOutcome
from opsicle.kit.ids import new_id
from opsicle.security.webhook_signatures import Header, SignedCall
from opsicle.server.automations.starters import MOST_REASON_CHARACTERS
from opsicle.server.store import trigger_calls
from opsicle.server.store.database import Connection
from opsicle.server.store.trigger_calls import CallRow
from opsicle.server.store.triggers import TriggerRow


class IncomingCall(msgspec.Struct, frozen=True):
    """A call as it came in, from an address."""

    header: Header
    body: bytes
    address: str

    def signed(self, now: datetime) -> SignedCall:
        """Return what its sender is known by."""
        return SignedCall(self.header, self.body, now)

    def row(
        self,
        trigger: TriggerRow,
        at: datetime,
        outcome: CallOutcome,
        reason: str = "",
        automation_id: str | None = None,
    ) -> CallRow:
        """Return what is kept of it, with an outcome that is the trigger's."""
        return CallRow(
            id=new_id(at),
            org_id=trigger.org_id,
            trigger_id=trigger.id,
            is_verified=outcome is not CallOutcome.UNVERIFIED,
            at=at,
            outcome=outcome,
            reason=reason[:MOST_REASON_CHARACTERS],
            automation_id=automation_id,
            mapped="{}",
            body_bytes=len(self.body),
            body_sha256=hashlib.sha256(self.body).hexdigest(),
            address=self.address,
        )


def keep(db: Connection, row: CallRow) -> None:
    """Keep a call, and forget the oldest of its kind."""
    trigger_calls.insert(db, row)
    most = KEPT_CALLS if row.is_verified else KEPT_REFUSALS
    trigger_calls.keep_newest(db, row.trigger_id, row.is_verified, most)
