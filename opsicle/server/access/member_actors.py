"""Members in whose name something starts while they are away, with the rights they have now."""

from __future__ import annotations

from opsicle.domain.errors import NotAllowed
from opsicle.server.access.actor import Actor
from opsicle.server.access.rights import rights_of
from opsicle.server.store import memberships, orgs, users
from opsicle.server.store.database import Connection

_HINT = "Push it again, so that it runs as you."


def member_actor(db: Connection, org_id: str, user_id: str, channel: str) -> Actor:
    """Return a member of an org as an actor, who comes by way of `channel`.

    Raises NotAllowed for somebody who has left, or is disabled.
    """
    org, member = orgs.find(db, org_id), memberships.find(db, org_id, user_id)
    if org is None or member is None:
        user = users.find(db, user_id)
        raise NotAllowed(f"{user.email if user else user_id} is no longer in the org", hint=_HINT)
    if not member.is_enabled:
        raise NotAllowed(f"{member.email} has been disabled", hint=_HINT)
    return Actor(
        user_id=member.user_id,
        email=member.email,
        name=member.name,
        org_id=org_id,
        org_code=org.code,
        role=member.role,
        channel=channel,
        address="",
        rights=rights_of(db, org_id, user_id),
    )
