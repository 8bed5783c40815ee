"""The workers of all orgs together, for whoever looks at a whole server."""

from __future__ import annotations

from collections.abc import Iterator

import apsw

from opsicle.server.store import orgs, workers
from opsicle.server.store.workers import WorkerRow

_AT_ONCE = 500


def in_service(db: apsw.Connection) -> Iterator[WorkerRow]:
    """Return the workers of all orgs, and the shared ones, that were not revoked."""
    for org_id in (*orgs.list_ids(db), None):
        after = ""
        while rows := workers.list_in_service(db, org_id, after, _AT_ONCE):
            yield from rows
            after = rows[-1].id
