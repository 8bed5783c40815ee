"""What the record says against an automation that waits to be handed out.

A code shows that a row is as it was written, not that it is the newest of its kind: whoever writes to the database can
put back what had been cancelled, refused or carried out, or take a decision away. The record is a chain, from which
nothing can be taken without a trace; so it is asked too.
"""

from __future__ import annotations

import msgspec

from opsicle.server.approvals.cases import Case
from opsicle.server.store import audit
from opsicle.server.store.audit import Decisive
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection

_ENDS = {
    "cancel": "was cancelled",
    "expire": "expired",
    "finish": "was carried out",
    "lose": "was lost with its worker",
    "refuse": "was refused",
    "refuse_order": "was refused by a worker",
    "withdraw": "was withdrawn",
}


class _Codes(msgspec.Struct):
    """The codes of decisions, as the entries of `approve`, `reject` and `bind` hold them."""

    codes: dict[str, str] = {}
    decisions: list[str] = []


def contradiction(db: Connection, row: AutomationRow, case: Case | None = None) -> str:
    """Why the record does not let an automation that is stored as queued be handed out; "" if it does.

    `case` is its approval, if there is one.
    """
    entries = audit.list_decisive(db, row.org_id, f"automations/{row.id}")
    if case:
        entries += audit.list_decisive(db, row.org_id, f"approvals/{case.row.id}")
    is_begun = False
    for entry in entries:
        if entry.verb in _ENDS:
            return f"by the record it {_ENDS[entry.verb]} before"
        if entry.verb in {"start", "requeue"}:
            is_begun = entry.verb == "start"
    if is_begun:
        return "by the record it has begun already"
    if case and not _codes(entries) <= {each.mac for each in case.decisions}:
        return "by the record there is a decision that is no longer stored"
    return ""


def _codes(entries: list[Decisive]) -> set[str]:
    found: set[str] = set()
    for entry in entries:
        said = msgspec.json.decode(entry.data, type=_Codes)
        found.update(said.codes.values(), said.decisions)
    return found
