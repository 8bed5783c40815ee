"""What an automation was asked to do, so that it can be asked for again."""

from __future__ import annotations

from opsicle.domain.errors import Conflict
from opsicle.domain.templates import DRAFT, Template, Value
from opsicle.security.master_key import CannotOpen
from opsicle.server.access.actor import Actor
from opsicle.server.access.stored_values import read_values
from opsicle.server.approvals.manifests import only_worker_of
from opsicle.server.automations.visible import get_visible
from opsicle.server.keys.vault import Vault
from opsicle.server.store import secrets, templates
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.server.store.secrets import SealedRow
from opsicle.wire.user_api import RunRequest


def request_again(
    db: Connection, vault: Vault, actor: Actor, automation_id: str
) -> tuple[AutomationRow, Template, RunRequest]:
    """Return an automation, what it runs, and the request for the same version and values.

    Raises NotFound; Conflict if another template has the name now, which must not get values that
    were typed for the old one, and for secret values that cannot be had any more.
    """
    old, template = get_visible(db, actor, automation_id)
    is_draft = old.version == DRAFT
    now = None if is_draft else templates.find(db, actor.org_id, old.template)
    if now and now.id != old.template_id:
        raise Conflict(
            f"another template is called {old.template} now", hint="Run that one, if it is right."
        )

    values = read_values(old.values_json)
    if sealed := secrets.find_values(db, automation_id):
        values |= _opened(vault, sealed)
    chosen = only_worker_of(old)
    request = RunRequest(
        template=old.template,
        version=None if is_draft else old.version,
        draft=old.template_id if is_draft else "",
        values=values,
        reason=old.reason,
        worker=chosen.worker_id if chosen else "",
    )
    return old, template, request


def _opened(vault: Vault, sealed: SealedRow) -> dict[str, Value]:
    try:
        return vault.open_values(sealed).values
    except CannotOpen as error:
        raise Conflict(
            "its secret values cannot be decrypted", hint="Run the template with new ones."
        ) from error
