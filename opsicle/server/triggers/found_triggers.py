"""A trigger as a call finds it, and what the call is to start."""

from __future__ import annotations

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.errors import Conflict
from opsicle.domain.triggers import CallOutcome, Trigger
from opsicle.domain.values import Value
from opsicle.server.access.actor import Actor
from opsicle.server.documents.record_of_pushes import require_as_pushed
from opsicle.server.store import documents, org_removals, orgs, triggers
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import DocumentKind, VersionRow
from opsicle.server.store.secrets import SealedRow
from opsicle.server.store.triggers import TriggerRow
from opsicle.server.triggers.views import read_trigger
from opsicle.wire.user_api import RunRequest


class FoundTrigger(msgspec.Struct, frozen=True):
    """A trigger and its secret; without one, `problem` says why nobody can call it."""

    row: TriggerRow
    version: VersionRow
    trigger: Trigger
    sealed: SealedRow | None
    problem: str = ""


class PreparedStart(msgspec.Struct, frozen=True):
    """What a call starts: as whom, what, and the values as they may be shown."""

    actor: Actor
    request: RunRequest
    shown: dict[str, Value]


class StartPreview(msgspec.Struct, frozen=True, kw_only=True):
    """What a call would do now: start something, or why not."""

    outcome: CallOutcome
    reason: str = ""
    automation_id: str | None = None
    start: PreparedStart | None = None


def find_trigger(db: Connection, org_code: str, name: str) -> FoundTrigger | None:
    """Return a trigger with its secret, None if it is not there, or just goes with its org.

    One that is not as it was pushed has none: who may call it cannot be known.
    """
    org = orgs.find_by_code(db, org_code)
    row = triggers.find(db, org.id, name) if org else None
    if org is None or row is None or org_removals.find(db, org.id):
        return None
    version = documents.find(db, DocumentKind.TRIGGER, org.id, name)
    if version is None:
        return None
    try:
        require_as_pushed(db, DocumentKind.TRIGGER, org.id, version)
        trigger = stored_json.read(version.document, Trigger, f"the trigger {name}")
    except Conflict as error:
        return FoundTrigger(row, version, read_trigger(version), None, error.message)
    return FoundTrigger(row, version, trigger, triggers.find_sealed(db, row.id))
