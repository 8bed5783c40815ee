"""What somebody leaves behind who leaves an org: service accounts, and approvals that nobody else can give."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from opsicle.domain.approvals import ApprovalState, Verdict
from opsicle.domain.errors import LeavesBehind
from opsicle.server.access.actor import Actor
from opsicle.server.approvals.approvers import ApproverDirectory
from opsicle.server.approvals.cases import Case, load_unchecked
from opsicle.server.store import account_owners, approvals, audit, memberships
from opsicle.server.store.account_owners import OwnerRow
from opsicle.server.store.approvals import ApprovalFilter
from opsicle.server.store.database import Connection
from opsicle.server.store.memberships import MemberRow

_MOST_LOOKED_AT = 200
"""Pending approvals, newest first: enough to warn, and few enough to hold nobody up."""

_MOST_NAMED = 5


def require_word(db: Connection, org_id: str, member: MemberRow, now: datetime, *, keeps_accounts: bool) -> None:
    """Raise LeavesBehind if somebody would take more with them than themselves: whoever removes them has to know.

    `keeps_accounts`: their service accounts get another owner.
    """
    accounts = [] if keeps_accounts else [row.email for row in memberships.list_owned(db, org_id, member.user_id)]
    stuck = [case.automation.template for case in _pending(db, org_id) if _is_stuck_without(case, member, now)]
    left = [f"these service accounts go too, with their tokens: {_some(accounts)}"] if accounts else []
    left += [f"these approvals can then be given by too few: {_some(stuck)}"] if stuck else []
    if left:
        raise LeavesBehind(
            f"removing {member.email} takes more than that account: {'; '.join(left)}",
            hint="Name a new owner for the service accounts (`--new-owner EMAIL`), or say that it is meant (`--yes`).",
        )


def hand_over(db: Connection, actor: Actor, accounts: Sequence[MemberRow], owner: MemberRow, now: datetime) -> None:
    """Give service accounts another owner; their tokens go on, with what the new owner allows."""
    for account in accounts:
        memberships.update(db, actor.org_id, msgspec.structs.replace(account, owner_id=owner.user_id))
        row = OwnerRow(account.user_id, audit.next_seq(db, actor.org_id), owner.user_id)
        account_owners.insert(db, actor.org_id, row)
        data = {"email": account.email, "owner": owner.email, "before": account.owner}
        audit.append(db, now, actor.org_id, actor, "hand_over", f"users/{account.user_id}", data)


def _pending(db: Connection, org_id: str) -> list[Case]:
    rows = approvals.list_newest(db, org_id, ApprovalFilter(state=ApprovalState.PENDING), "", _MOST_LOOKED_AT)
    directory = ApproverDirectory(db, org_id)
    return [load_unchecked(db, row, directory=directory) for row in rows]


def _is_stuck_without(case: Case, member: MemberRow, now: datetime) -> bool:
    """Whether an open gate waits for this person, and the others are too few for it."""
    for seen in case.status(now).open_gates:
        waited = {person.principal for person in case.waited_for(seen, now)}
        agreed = [each for each in case.decisions if each.gate == seen.gate.name and each.verdict is Verdict.APPROVE]
        missing = seen.gate.required - len(agreed)
        if member.user_id in waited and len(waited) - 1 < missing:
            return True
    return False


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMED])
    return shown + (f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else "")
