"""Who is behind an account: a person is one, however many accounts act for them.

People come in by their own account, and by the service accounts that they answer for. Whoever must
not do something alone, or to themselves, must not do it through another account of theirs either.
"""

from __future__ import annotations

import msgspec


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A person's account, or a service account.

    `owner_id` is set for a service account: who answers for it. `past_owner_ids` are all who ever
    did, since they may still hold its tokens.
    """

    user_id: str
    owner_id: str = ""
    past_owner_ids: frozenset[str] = frozenset()

    @property
    def principal(self) -> str:
        """The human being who answers for this account."""
        return self.owner_id or self.user_id

    @property
    def identities(self) -> frozenset[str]:
        """The ids of all accounts that this one stands for.

        Itself, and whoever answers or has answered for it.
        """
        return self.past_owner_ids | {self.user_id, self.principal}

    def is_same_person(self, other: Account) -> bool:
        """Return whether one human being is, or has been, behind both."""
        return not self.identities.isdisjoint(other.identities)
