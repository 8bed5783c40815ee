"""SQL of what an org finds again on the server to which it comes back."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from opsicle.server.store.rows import json_list


def list_shared_ids(db: apsw.Connection) -> list[str]:
    """Return every shared worker, in service or not."""
    return [str(row[0]) for row in db.execute("SELECT id FROM workers WHERE is_shared")]


def leave_out(draft: apsw.Connection, worker_ids: Sequence[str]) -> None:
    """Remove workers from a draft of an org; what names them there stays as it is."""
    draft.execute(
        "DELETE FROM workers WHERE id IN (SELECT value FROM json_each(:worker_ids))",
        {"worker_ids": json_list(worker_ids)},
    )
