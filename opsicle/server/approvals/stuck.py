"""Approvals that nobody can give any more, because people have gone.

Said in the approval, and told to who asked.

`told` of an approval holds `stuck:GATE` while a gate cannot be passed. When somebody can again, the
gate asks anew.
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

_MOST_LOOKED_AT = 200
"""Pending approvals, newest first: enough to warn, and few enough to hold nobody up."""


def stuck_in(case: Case, seen: ApprovalStatus) -> dict[str, str]:
    """Return the gates of a pending approval that can no longer be passed: why, by name."""
    return stuck_gates(seen, case.votes, case.people, case.requester) if seen.open_gates else {}


def said_of(case: Case, stuck: Mapping[str, str]) -> str:
    """Return what is wrong and who can mend it, in one line; "" if nothing is wrong."""
    if not stuck:
        return ""
    gates = "; ".join(f"gate {name}: {why}" for name, why in stuck.items())
    return (
        f"nobody can give this approval now ({gates}). "
        "An admin can let an approver back in, or name a manager; "
        f"{case.automation.requester_email} can withdraw it, and ask again"
    )


def newly_stuck(told: list[str], stuck: Mapping[str, str]) -> list[str]:
    """Return the gates of which it has not been told that they cannot be passed."""
    return [name for name in stuck if f"{_KEY}{name}" not in told]


def noted(told: list[str], stuck: Mapping[str, str]) -> list[str]:
    """Return what has been told, brought up to date.

    A gate that can be passed again has not asked anybody yet.
    """
    freed = {key.removeprefix(_KEY) for key in told if key.startswith(_KEY)} - set(stuck)
    dropped = {f"{_KEY}{name}" for name in freed} | {f"ask:{name}" for name in freed}
    return [key for key in told if key not in dropped] + [
        f"{_KEY}{name}" for name in newly_stuck(told, stuck)
    ]


def left_stuck(db: Connection, org_id: str) -> list[str]:
    """Return the templates of approvals that nobody can give since a change.

    Asked in the transaction of that change.
    """
    rows = approvals.list_newest(
        db, org_id, ApprovalFilter(state=ApprovalState.PENDING), "", _MOST_LOOKED_AT
    )

    directory = ApproverDirectory(db, org_id)
    found = []
    for row in rows:
        case = load_unchecked(db, row, directory=directory)
        stuck = stuck_in(case, case.status(row.asked_at))
        if newly_stuck(stored_json.read_or(row.told, list[str], []), stuck):
            found.append(case.automation.template)
    return found
