"""Which automations somebody may see, and which they may cancel."""

from __future__ import annotations

from opsicle.domain.access import Action
from opsicle.domain.automations import AutomationState
from opsicle.domain.errors import NotAllowed, NotFound
from opsicle.domain.templates import Template
from opsicle.server.access.actor import Actor
from opsicle.server.access.principals import is_answerable_for
from opsicle.server.access.template_access import is_automation_hidden
from opsicle.server.access.template_versions import shown_template_of
from opsicle.server.store import automations
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection

ENDED = {
    AutomationState.SUCCEEDED: "succeeded",
    AutomationState.FAILED: "failed",
    AutomationState.CANCELLED: "was cancelled",
    AutomationState.TIMED_OUT: "timed out",
    AutomationState.REJECTED: "was rejected",
    AutomationState.EXPIRED: "expired",
    AutomationState.UNKNOWN: "ended unknown, because its worker or its target was lost",
}
"""How an automation that is over ended, as the end of a sentence."""


def is_visible(db: Connection, actor: Actor, row: AutomationRow) -> bool:
    """Return whether the actor may see an automation of their org."""
    return not is_automation_hidden(db, actor, row) or is_answerable_for(
        db, row.org_id, actor.user_id, row.requester_id
    )


def get_visible(db: Connection, actor: Actor, automation_id: str) -> tuple[AutomationRow, Template]:
    """Return an automation and what it runs.

    Raises NotFound, also for one that the actor may not see.
    """
    row = automations.find(db, actor.org_id, automation_id)
    if row is None or not is_visible(db, actor, row):
        raise NotFound(
            f"there is no automation {automation_id}",
            hint="`opsicle automations list` shows those of the org that you are logged in to.",
        )
    return row, shown_template_of(db, row)


def require_may_cancel(db: Connection, actor: Actor, row: AutomationRow) -> None:
    """Raise NotAllowed unless the actor may cancel this automation.

    A token that is for looking cancels nothing, not even its holder's own.
    """
    if actor.may(Action.AUTOMATIONS_CANCEL_ANY):
        return
    if not is_answerable_for(db, row.org_id, actor.user_id, row.requester_id):
        raise NotAllowed(
            "you may only cancel what you or your service accounts triggered",
            hint="Ask an operator.",
        )
    actor.require(Action.AUTOMATIONS_CREATE)
