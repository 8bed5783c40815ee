"""Creating an org with its first admin, and finding one as somebody's own."""

from __future__ import annotations

from datetime import datetime

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import Conflict, NotFound
from opsicle.server.store import memberships, orgs
from opsicle.server.store.database import Connection
from opsicle.server.store.memberships import MemberRow, MembershipRow
from opsicle.server.store.orgs import OrgRow
from opsicle.server.store.users import UserRow


def create_org(db: Connection, org: OrgRow, admin: UserRow | None, at: datetime) -> None:
    """Record an org with its first admin, None for one who is invited.

    Raises Conflict if its code is taken.
    """
    if orgs.find_by_code(db, org.code):
        raise Conflict(f"there is an org {org.code} already", hint="Choose another code.")
    orgs.insert(db, org, at)
    if admin is None:
        return

    member = MemberRow(
        user_id=admin.id,
        email=admin.email,
        name=admin.name,
        role=BuiltInRole.ADMIN,
        manager_id=None,
        manager=None,
        is_disabled=False,
        created_at=at,
    )
    memberships.insert(db, org.id, member)


def find_place(db: Connection, user_id: str, code: str) -> MembershipRow:
    """Return the org of this code as one of a person's.

    Raises NotFound for one that they may not enter or that is not.
    """
    for place in memberships.list_of_user(db, user_id):
        if place.org_code == code and not place.is_disabled:
            return place
    raise no_org(code)


def no_org(code: str) -> NotFound:
    """Return the error for an org that is another's, and for one that is not."""
    return NotFound(
        f"there is no org {code}",
        hint="`opsicle orgs list` shows yours; `opsicle orgs switch` enters one.",
    )
