"""SQL of what is said of a worker: by itself in each poll, and by people."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

import apsw

from opsicle.domain import stored_json
from opsicle.domain.errors import NotAuthenticated
from opsicle.kit.clock import to_text
from opsicle.server.store.rows import has_changed, sorted_json
from opsicle.wire.worker_api import PollRequest

LAST_SEEN_INTERVAL = timedelta(seconds=240)
"""How exact `last_seen_at` is, but for a poll's hold; ephemeral ones may be silent for longer."""


class WorkerStatus(NamedTuple):
    """What people have said of a worker; `copied_from` as in a `WorkerRow`."""

    is_draining: bool
    granted_labels: dict[str, str]
    copied_from: str | None


def record_poll(
    db: apsw.Connection, worker_id: str, poll: PollRequest, at: datetime
) -> WorkerStatus:
    """Record what a worker says of itself, and when it did; return what people say of it.

    Nothing is written when it says the same as before, less than `LAST_SEEN_INTERVAL` ago.
    Raises NotAuthenticated if it has been revoked since this poll was let in.
    """
    status = get_status(db, worker_id)
    db.execute(
        """
        UPDATE workers
           SET labels = :labels, runtimes = :runtimes, slots = :slots, version = :version,
               boot_id = :boot_id, last_seen_at = :at
         WHERE id = :id
           AND (last_seen_at IS NULL OR last_seen_at < :seen_before
                OR (labels, runtimes, slots, version, boot_id)
                   IS NOT (:labels, :runtimes, :slots, :version, :boot_id))
        """,
        {
            "id": worker_id,
            "labels": sorted_json(poll.labels),
            "runtimes": sorted_json(poll.runtimes),
            "slots": poll.slots,
            "version": poll.program_version,
            "boot_id": poll.boot_id,
            "at": to_text(at),
            "seen_before": to_text(at - LAST_SEEN_INTERVAL),
        },
    )
    return status


def get_status(db: apsw.Connection, worker_id: str) -> WorkerStatus:
    """Return what people say of a worker. Raises NotAuthenticated if it has been revoked."""
    found = db.execute(
        "SELECT state, granted_labels, copied_from FROM workers WHERE id = :id", {"id": worker_id}
    ).fetchone()

    state, granted, copied_from = found or ("", "{}", None)
    if state not in ("active", "draining"):
        raise NotAuthenticated(
            "this worker was revoked", hint="Enrol it again with a new join token."
        )

    return WorkerStatus(state == "draining", _labels(granted), copied_from)


def set_copied_from(db: apsw.Connection, worker_id: str, addresses: str | None) -> None:
    """Keep from where two processes use one identity; None: only one does."""
    db.execute(
        "UPDATE workers SET copied_from = :addresses WHERE id = :id",
        {"id": worker_id, "addresses": addresses},
    )


def note_history_report(
    db: apsw.Connection, worker_id: str, at: datetime, not_since: datetime
) -> bool:
    """Note that a worker says that history was rewritten; False if after `not_since` already."""
    return has_changed(
        db,
        """
        UPDATE workers
           SET history_reported_at = :at
         WHERE id = :id AND (history_reported_at IS NULL OR history_reported_at <= :not_since
                             OR history_reported_at > :at)
        """,
        {"id": worker_id, "at": to_text(at), "not_since": to_text(not_since)},
    )


@lru_cache(maxsize=4_096)
def _labels(text: str) -> dict[str, str]:
    """Decode labels once for the polls of a whole fleet; none where they cannot be read.

    What is returned is shared: nobody may change it.
    """
    return stored_json.read_or(text, dict[str, str], {})
