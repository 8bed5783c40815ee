"""As whom something that starts by itself may run."""

from __future__ import annotations

from opsicle.domain.errors import InvalidInput, NotFound, Problem
from opsicle.server.access.actor import Actor
from opsicle.server.access.validators import SERVICE_DOMAIN
from opsicle.server.members.guards import require_way_into
from opsicle.server.members.service_accounts import get_account
from opsicle.server.store.database import Connection


def run_as(db: Connection, actor: Actor, name: str) -> str:
    """Return the id of the account that runs what the actor pushes: their own, unless told.

    Else a service account of the org, by its name or its whole address, that the actor could make a
    token for. Raises InvalidInput for one that is not there, NotAllowed for one that is not theirs.
    """
    if not name or name in (actor.email, actor.user_id):
        return actor.user_id
    address = name if "@" in name else f"{name}@{actor.org_code}{SERVICE_DOMAIN}"
    try:
        account = get_account(db, actor, address)
    except NotFound as error:
        message = f"the org has no service account {name[:320]}"
        raise InvalidInput(
            message,
            hint="`opsicle users list` shows them; `opsicle service-accounts create` makes one.",
            problems=(Problem("spec.runAs", message),),
        ) from error
    if account.owner_id != actor.user_id:
        require_way_into(db, actor, account)
    return account.user_id
