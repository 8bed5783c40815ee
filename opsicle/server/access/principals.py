"""The human being behind an account, as the database knows it.

What follows from it is in `domain/accounts.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from opsicle.domain.accounts import Account
from opsicle.server.store import account_owners
from opsicle.server.store.account_owners import OwnerRow
from opsicle.server.store.database import Connection

NOW = sys.maxsize
"""In the place of the number of an entry: after all that there are."""


def account_of(db: Connection, org_id: str, user_id: str, seq: int = NOW) -> Account:
    """Return an account of an org with who answers for it, also if it is gone.

    As it was at the entry `seq` of the record.
    """
    return _account(user_id, account_owners.list_of_user(db, org_id, user_id), seq)


def is_answerable_for(db: Connection, org_id: str, user_id: str, account_id: str) -> bool:
    """Return whether what an account asked for is somebody's to take back.

    It is if they asked for it themselves, or a service account did that they own now.
    """
    return account_id == user_id or account_of(db, org_id, account_id).owner_id == user_id


def accounts_of(
    db: Connection, org_id: str, user_ids: Iterable[str], seq: int = NOW
) -> dict[str, Account]:
    """Return the same for many, by id."""
    wanted = list(user_ids)
    owners = account_owners.list_of(db, org_id, wanted)
    return {user_id: _account(user_id, owners.get(user_id, ()), seq) for user_id in wanted}


def _account(user_id: str, rows: Sequence[OwnerRow], seq: int) -> Account:
    # The first owner also counts for what was asked before there was an order of entries.
    earlier = [row for row in rows if row.seq <= seq] or rows[:1]
    return Account(
        user_id=user_id,
        owner_id=earlier[-1].owner_id if earlier else "",
        past_owner_ids=frozenset(row.owner_id for row in rows),
    )
