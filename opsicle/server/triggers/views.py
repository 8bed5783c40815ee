"""What people see of a trigger, put together from its rows."""

from __future__ import annotations

from typing import Literal

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.automations import known_state
from opsicle.domain.stored_json import CANNOT_BE_READ
from opsicle.domain.templates import Value
from opsicle.domain.triggers import CallOutcome, Trigger
from opsicle.server.documents.versions import person_of, pusher_of
from opsicle.server.store import trigger_calls
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import VersionRow
from opsicle.server.store.trigger_calls import CallRow
from opsicle.server.store.triggers import TriggerRow
from opsicle.wire.trigger_api import TriggerCall, TriggerSummary, TriggerVersion


def shown(db: Connection, row: TriggerRow, version: VersionRow, url: str) -> TriggerSummary:
    """Return a version of a trigger as it stands in a list; `url` is where to call it."""
    trigger = read_trigger(version)
    last = trigger_calls.find_newest(db, row.id)
    return TriggerSummary(
        name=row.name,
        version=version.version,
        template=trigger.template,
        state=_state(row, version, last),
        verify=trigger.verify,
        url=url,
        last_call=shown_call(last) if last else None,
        runs_as=person_of(db, trigger.principal_id),
        pushed_by=pusher_of(version),
        pushed_at=version.pushed_at,
        message=version.message,
    )


def whole(db: Connection, row: TriggerRow, version: VersionRow, url: str) -> TriggerVersion:
    """Return a version of a trigger with all that it says."""
    trigger = read_trigger(version)
    return TriggerVersion(
        **msgspec.structs.asdict(shown(db, row, version, url)),
        latest_version=version.latest_version,
        digest=version.digest,
        values=trigger.values,
        fields=trigger.fields,
        conditions=trigger.conditions,
        dedupe=trigger.dedupe,
        rate=trigger.rate,
        secret_made_at=row.secret_made_at,
        source=version.source,
    )


def shown_call(row: CallRow) -> TriggerCall:
    """Return a call as people see it."""
    return TriggerCall(
        id=row.id,
        at=row.at,
        outcome=CallOutcome(row.outcome)
        if row.outcome in set(CallOutcome)
        else CallOutcome.INVALID,
        reason=row.reason,
        automation_id=row.automation_id,
        automation_state=known_state(row.automation_state),
        values=stored_json.read_or(row.mapped, dict[str, Value], {}),
        body_bytes=row.body_bytes,
        body_sha256=row.body_sha256,
        address=row.address,
    )


def read_trigger(version: VersionRow) -> Trigger:
    """Return what a version says, and that it cannot be read where that is so."""
    unreadable = Trigger(name=version.name, template=CANNOT_BE_READ)
    return stored_json.read_or(version.document, Trigger, unreadable)


def _state(
    row: TriggerRow, version: VersionRow, last: CallRow | None
) -> Literal["active", "paused", "failing"]:
    if row.is_paused:
        return "paused"
    is_refused = last is not None and last.outcome == CallOutcome.REFUSED
    return "failing" if last and is_refused and last.at >= version.pushed_at else "active"
