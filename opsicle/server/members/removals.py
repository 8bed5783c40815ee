"""What goes with a person or a group that is removed.

Service accounts, and approvals that nobody else can give.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from opsicle.domain.errors import LeavesBehind
from opsicle.domain.problems import first_names
from opsicle.server.access.actor import Actor
from opsicle.server.approvals.stuck import templates_left_stuck
from opsicle.server.store import account_owners, audit, memberships
from opsicle.server.store.account_owners import OwnerRow
from opsicle.server.store.database import Connection
from opsicle.server.store.memberships import MemberRow

_MOST_NAMED = 5


def require_confirmation(
    db: Connection, org_id: str, what: str, accounts: Sequence[MemberRow] = ()
) -> None:
    """Raise LeavesBehind if what was removed in this very transaction takes more with it.

    Somebody has to know that.

    `what` is it for a sentence; `accounts` are the service accounts that go with a person. What it
    leaves stuck is seen from the state after it: whoever does not know yet undoes it with this
    error.
    """
    stuck = templates_left_stuck(db, org_id)
    left = []
    if accounts:
        emails = first_names([each.email for each in accounts], _MOST_NAMED)
        left.append(f"these service accounts go too, with their tokens: {emails}")
    if stuck:
        names = first_names(stuck, _MOST_NAMED)
        left.append(f"these approvals can then be given by too few: {names}")
    if left:
        owner = (
            "Name a new owner for the service accounts (`--new-owner EMAIL`), or say"
            if accounts
            else "Say"
        )
        raise LeavesBehind(
            f"removing {what} takes more than that: {'; '.join(left)}",
            hint=f"{owner} that it is meant (`--yes`).",
        )


def hand_over(
    db: Connection, actor: Actor, accounts: Sequence[MemberRow], owner: MemberRow, now: datetime
) -> None:
    """Give service accounts another owner; their tokens go on, with what the new owner allows."""
    for account in accounts:
        memberships.update(
            db, actor.org_id, msgspec.structs.replace(account, owner_id=owner.user_id)
        )
        row = OwnerRow(account.user_id, audit.next_seq(db, actor.org_id), owner.user_id)
        account_owners.insert(db, actor.org_id, row)
        data = {"email": account.email, "owner": owner.email, "before": account.owner}
        audit.append(db, now, actor.org_id, actor, "hand_over", f"users/{account.user_id}", data)
