"""Whether a target is still what an automation was bound to, and approved for."""

from __future__ import annotations

from opsicle.domain.bound_fan_outs import BoundMember
from opsicle.domain.errors import Conflict
from opsicle.server.store.database import Connection
from opsicle.server.targets.selection import find_target


def target_refusal(db: Connection, org_id: str, member: BoundMember | None) -> str:
    """Return why nothing may run on a target now, "" if it may, or there is none.

    Raises Unreadable.
    """
    if member is None or member.target is None:
        return ""
    try:
        now = find_target(db, org_id, member.name)
    except Conflict as error:
        return error.message
    if now is None:
        return f"the target {member.name} was deleted since"
    if now.digest != member.digest:
        return f"the target {member.name} was changed since"
    return ""
