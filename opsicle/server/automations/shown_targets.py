"""The machines on which an automation runs one by one, as people see them."""

from __future__ import annotations

from collections.abc import Sequence

from opsicle.domain.automations import AutomationState, is_final
from opsicle.domain.bound_fan_outs import shown_state
from opsicle.domain.errors import Unreadable
from opsicle.server.approvals.manifests import fan_out_of
from opsicle.server.store import fan_outs
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.server.store.fan_outs import FanOutMemberRow
from opsicle.wire.starts import AutomationTarget, ended_text


def automation_targets(db: Connection, row: AutomationRow) -> list[AutomationTarget]:
    """Return the machines of an automation in their order; none of one that runs on a single one.

    Before it begins, those to which it is bound; after an end before that, none of them has run.
    """
    if not row.fan_out:
        return []
    if members := fan_outs.list_of(db, row.id):
        return [_target(member) for member in members]
    try:
        fan_out = fan_out_of(row)
    except Unreadable:
        return []
    state = AutomationState.CANCELLED if is_final(row.state) else AutomationState.QUEUED
    return [
        AutomationTarget(name=member.name, state=state)
        for member in (fan_out.members if fan_out else ())
    ]


def targets_log(targets: Sequence[AutomationTarget]) -> str:
    """Return the log of an automation on several machines: how each has ended, in that order."""
    ended = [each for each in targets if each.finished_at is not None]
    ended.sort(key=lambda each: (each.finished_at, each.name))
    return "".join(
        f"{each.finished_at:%Y-%m-%d %H:%M:%S} UTC {ended_text(each)}\n" for each in ended
    )


def _target(member: FanOutMemberRow) -> AutomationTarget:
    return AutomationTarget(
        name=member.name,
        state=shown_state(member.state, member.automation_state),
        exit_code=member.exit_code,
        automation_id=member.automation_id if member.automation_state else None,
        reason=member.reason or member.explanation or "",
        started_at=member.started_at,
        finished_at=member.finished_at if member.automation_id else member.at,
    )
