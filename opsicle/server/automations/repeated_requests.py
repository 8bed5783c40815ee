"""Requests that may be sent again, because the answer to the first may have been lost.

`Idempotency-Key`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from opsicle.domain.errors import Conflict
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import Actor
from opsicle.server.automations.resumed_runs import ResumedRun
from opsicle.server.keys.vault import Vault
from opsicle.server.store import idempotency
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.idempotency import IdempotencyRow
from opsicle.wire.user_api import RunRequest

REMEMBERED_FOR = timedelta(days=7)
_FORGOTTEN_AT_ONCE = 500
"""Keys removed in one unit of work: it holds the event loop."""


def digest_of(vault: Vault, request: RunRequest, rerun_of: str, resumed: ResumedRun | None) -> str:
    """Return by what a request that is sent again is known."""
    # A field that came later is left out while it says nothing, so that what an earlier server
    # has remembered is still known.
    fields = msgspec.structs.asdict(request)
    for name in ("worker", "start_at", "draft"):
        if not fields[name]:
            del fields[name]
    asked = [fields, rerun_of or None, *([resumed.point] if resumed else [])]
    return vault.fingerprint(msgspec.json.encode(asked, order="sorted"))


def remember(
    db: Connection, actor: Actor, key: str, made: IdempotencyRow, at: datetime
) -> str | None:
    """Return what the same request has made before, or None after recording what it makes now.

    Raises Conflict for a key that was used for another request.
    """
    if earlier := find_made(db, actor, key, made.request_digest):
        return earlier
    idempotency.insert(db, actor.org_id, actor.user_id, key, made, at)
    return None


def find_made(db: Connection, actor: Actor, key: str, request_digest: str) -> str | None:
    """Return what the same request has made before, None if it was not made. Raises Conflict."""
    earlier = idempotency.find(db, actor.org_id, actor.user_id, key) if key else None
    if earlier and earlier.request_digest != request_digest:
        raise Conflict(
            "this Idempotency-Key was used for another request",
            hint="Use a new key for a new request.",
        )
    return earlier.resource if earlier else None


def forget_requests(database: Database, clock: Clock) -> None:
    """Drop keys that are so old that nobody will send their requests again."""
    before = clock.now() - REMEMBERED_FOR
    while database.write(lambda db: idempotency.delete_before(db, before, _FORGOTTEN_AT_ONCE)):
        pass
