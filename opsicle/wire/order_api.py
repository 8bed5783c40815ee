"""What workers were ordered to do, with all that it takes to verify it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from opsicle.domain.automations import JobState
from opsicle.wire.user_api import WorkerRef


class KeptOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One order as it was signed. `key` is the fingerprint of the key that is to have signed it.

    `content` are the bytes of a `WorkOrder`, see docs/worker-protocol.md.
    """

    fence: int
    content: bytes
    signature: bytes
    key: str


class OrderedJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job with its orders: one to begin, and one for each time that it went on from a pause.

    `missing` orders were given for it that are not here any more, though nothing removes them
    before the automation. Of a job of an older version none are kept.
    """

    id: str
    worker: WorkerRef
    fence: int
    state: JobState
    leased_at: datetime
    is_plan: bool
    orders: tuple[KeptOrder, ...]
    missing: int = 0


class KnownOrderKey(msgspec.Struct, frozen=True, kw_only=True):
    """A public key, as PEM, that the server knows and some of the orders were signed with.

    `is_own`: by this server; else by one from which the org came.
    """

    fingerprint: str
    public_key: str
    first_used_at: datetime
    is_own: bool


class OrderTrail(msgspec.Struct, frozen=True, kw_only=True):
    """All orders of one automation.

    `manifests` are those of the ordered ones that the server can make of what it has stored of the
    automation: none if what is stored is not what was ordered. One of a plan is another one than
    that of the rest.
    """

    automation_id: str
    org_id: str
    manifests: tuple[str, ...]
    jobs: tuple[OrderedJob, ...]
    keys: tuple[KnownOrderKey, ...]
