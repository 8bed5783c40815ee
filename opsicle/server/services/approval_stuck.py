"""Approvals that nobody can give any more, because people have gone: said in the approval, and told to who asked.

`told` of an approval holds `stuck:GATE` while a gate cannot be passed. When somebody can again, the gate asks anew.
"""

from __future__ import annotations

from collections.abc import Mapping

from opsicle.domain import stored_json
from opsicle.domain.approvals import ApprovalState, Standing, stuck_gates
from opsicle.server.services.approval_cases import Case, load_unchecked
from opsicle.server.services.people import Roster
from opsicle.server.store import approvals
from opsicle.server.store.approvals import Filter
from opsicle.server.store.database import Connection

_KEY = "stuck:"

_MOST_LOOKED_AT = 200
"""Pending approvals, newest first: enough to warn, and few enough to hold nobody up."""


def stuck_in(case: Case, seen: Standing) -> dict[str, str]:
    """The gates of a pending approval that can no longer be passed: why, by name."""
    return stuck_gates(seen, case.votes, case.people, case.asker) if seen.open_gates else {}


def said_of(case: Case, stuck: Mapping[str, str]) -> str:
    """What is wrong and who can mend it, in one line; "" if nothing is wrong."""
    if not stuck:
        return ""
    gates = "; ".join(f"gate {name}: {why}" for name, why in stuck.items())
    return (
        f"nobody can give this approval now ({gates}). An admin can let an approver back in, or name a manager; "
        f"{case.automation.requester_email} can withdraw it, and ask again"
    )


def newly_stuck(told: list[str], stuck: Mapping[str, str]) -> list[str]:
    """The gates of which it has not been told that they cannot be passed."""
    return [name for name in stuck if f"{_KEY}{name}" not in told]


def noted(told: list[str], stuck: Mapping[str, str]) -> list[str]:
    """What has been told, brought up to date; a gate that can be passed again has not asked anybody yet."""
    freed = {key.removeprefix(_KEY) for key in told if key.startswith(_KEY)} - set(stuck)
    dropped = {f"{_KEY}{name}" for name in freed} | {f"ask:{name}" for name in freed}
    return [key for key in told if key not in dropped] + [f"{_KEY}{name}" for name in newly_stuck(told, stuck)]


def left_stuck(db: Connection, org_id: str) -> list[str]:
    """The templates of pending approvals that nobody can give since a change in this very transaction."""
    rows = approvals.list_newest(db, org_id, Filter(state=ApprovalState.PENDING), "", _MOST_LOOKED_AT)
    roster = Roster(db, org_id)
    found = []
    for row in rows:
        case = load_unchecked(db, row, roster=roster)
        stuck = stuck_in(case, case.standing(row.asked_at))
        if newly_stuck(stored_json.read_or(row.told, list[str], []), stuck):
            found.append(case.automation.template)
    return found
