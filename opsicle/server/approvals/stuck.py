"""Approvals that nobody can give any more, because people have gone.

The approval says so, and who asked is notified.

`notified` of an approval holds `stuck:GATE` while a gate cannot be passed. When somebody can again,
the gate asks anew.
"""

from __future__ import annotations

from collections.abc import Mapping

from opsicle.domain import stored_json
from opsicle.domain.approvals import ApprovalState, ApprovalStatus, stuck_gates
from opsicle.server.approvals.approvers import ApproverDirectory
from opsicle.server.approvals.cases import Case, load_unchecked
from opsicle.server.store import approvals
from opsicle.server.store.approvals import ApprovalFilter
from opsicle.server.store.database import Connection

_KEY = "stuck:"

_MAX_CHECKED = 200
"""Pending approvals, newest first: enough to warn, and few enough to hold nobody up."""


def stuck_gates_of(case: Case, status: ApprovalStatus) -> dict[str, str]:
    """Return the gates of a pending approval that can no longer be passed: why, by name."""
    return stuck_gates(status, case.votes, case.people, case.requester) if status.open_gates else {}


def explanation_of(case: Case, stuck: Mapping[str, str]) -> str:
    """Return what is wrong and who can fix it, in one line; "" if nothing is wrong."""
    if not stuck:
        return ""
    gates = "; ".join(f"gate {name}: {why}" for name, why in stuck.items())
    return (
        f"nobody can give this approval now ({gates}). "
        "An admin can let an approver back in, or name a manager; "
        f"{case.automation.requester_email} can withdraw it, and ask again"
    )


def newly_stuck(notified: list[str], stuck: Mapping[str, str]) -> list[str]:
    """Return the gates that cannot be passed and of which nobody was notified yet."""
    return [name for name in stuck if f"{_KEY}{name}" not in notified]


def updated_notices(notified: list[str], stuck: Mapping[str, str]) -> list[str]:
    """Return the keys of what has been notified, brought up to date.

    A gate that can be passed again has not asked anybody yet.
    """
    freed = {key.removeprefix(_KEY) for key in notified if key.startswith(_KEY)} - set(stuck)
    dropped = {f"{_KEY}{name}" for name in freed} | {f"ask:{name}" for name in freed}
    return [key for key in notified if key not in dropped] + [
        f"{_KEY}{name}" for name in newly_stuck(notified, stuck)
    ]


def templates_left_stuck(db: Connection, org_id: str) -> list[str]:
    """Return the templates of approvals that nobody can give since a change.

    Asked in the transaction of that change.
    """
    rows = approvals.list_newest(
        db, org_id, ApprovalFilter(state=ApprovalState.PENDING), "", _MAX_CHECKED
    )

    directory = ApproverDirectory(db, org_id)
    found = []
    for row in rows:
        case = load_unchecked(db, row, directory=directory)
        stuck = stuck_gates_of(case, case.status(row.asked_at))
        if newly_stuck(stored_json.read_or(row.notified, list[str], []), stuck):
            found.append(case.automation.template)
    return found
