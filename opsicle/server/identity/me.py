"""The person who has logged in, as they are shown themselves."""

from __future__ import annotations

from opsicle.domain.access import Action
from opsicle.domain.rights import Rights
from opsicle.version import __version__
from opsicle.wire.user_api import Me, OrgRef, Person


def me_of(user: Person, org: OrgRef, role: str, rights: Rights, suspended: str = "") -> Me:
    """Return who somebody is, in which org, what they may do there, and that it is suspended."""
    permissions = [str(action) for action in Action if action in rights.actions]
    return Me(
        user=user,
        org=org,
        role=role,
        permissions=permissions,
        server_version=__version__,
        remarks=[suspended] if suspended else [],
    )
