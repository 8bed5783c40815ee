"""Binding anew, once, what a version without a binding key has left waiting.

What waits is taken as the database has it at this moment, if it is what its manifest's digest says.
From then on the key lies beside the database, and nothing without a code of its own runs any more
(see `binding_key_file.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial

import msgspec

from opsicle.domain.errors import NotFound
from opsicle.kit.clock import Clock
from opsicle.security.binding_key import BindingKey
from opsicle.server.access.actor import SystemActor
from opsicle.server.access.principals import account_of
from opsicle.server.access.template_versions import template_of
from opsicle.server.approvals.bindings import AlteredManifest, Bindings
from opsicle.server.store import approvals, audit, automations
from opsicle.server.store.approvals import ApprovalRow
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection, Database

log = logging.getLogger(__name__)

_AT_ONCE = 500
"""Automations of one transaction."""


def binder(database: Database, clock: Clock) -> Callable[[BindingKey], int]:
    """Return a function that binds, under a new key, all that waits, and counts it."""
    return lambda key: bind_waiting(database, Bindings(key), clock.now())


def bind_waiting(database: Database, bindings: Bindings, now: datetime) -> int:
    """Give every automation that may still run, and its decisions, the codes that they lack.

    Return how many.
    """
    bound, after = 0, ""
    while rows := database.read(partial(_list_next, after_id=after)):
        bound += database.write(lambda db: sum(_bind(db, bindings, row, now) for row in rows))
        after = rows[-1].id
    return bound


def _list_next(db: Connection, after_id: str) -> list[AutomationRow]:
    return automations.list_without_mac(db, after_id, _AT_ONCE)


def _bind(db: Connection, bindings: Bindings, row: AutomationRow, now: datetime) -> bool:
    """Bind one automation; False for one that is not what was triggered.

    That one is refused when its turn comes.
    """
    approval = approvals.find_of_automation(db, row.id)
    principal_id = account_of(db, row.org_id, row.requester_id).principal
    whole = msgspec.structs.replace(row, principal_id=principal_id)

    try:
        template = template_of(db, row.template_id, row.version)
        mac = bindings.code_of(db, whole, template, approval)
    except (AlteredManifest, NotFound, ValueError, msgspec.MsgspecError, RecursionError) as error:
        log.warning(
            "an automation that waits cannot be bound",
            extra={"automation": row.id, "reason": str(error)},
        )
        return False

    automations.authenticate(db, row.id, principal_id, mac)
    codes = _sign_decisions(db, bindings, approval) if approval else []
    data = {"manifest": row.manifest_digest, "decisions": codes}
    audit.append(db, now, row.org_id, SystemActor(), "bind", f"automations/{row.id}", data)
    return True


def _sign_decisions(db: Connection, bindings: Bindings, approval: ApprovalRow) -> list[str]:
    signed = [
        bindings.sign(approval, decision) for decision in approvals.list_decisions(db, approval.id)
    ]
    for decision in signed:
        approvals.authenticate_decision(db, decision)
    return [decision.mac for decision in signed]
