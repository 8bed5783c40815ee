"""A schedule in an org, and what its turns have started."""

from __future__ import annotations

from opsicle.server.access.actor import Actor
from opsicle.server.store import audit
from opsicle.server.store.automations import AutomationFilter
from opsicle.wire.schedule_api import SchedulePushed, ScheduleVersion
from opsicle.wire.user_api import AutomationSummary
from tests.services.core import Core

HOURLY = 'cron: "0 * * * *"'


def schedule_source(*lines: str, name: str = "nightly", template: str = "hello") -> str:
    """Return a document; `lines` are further ones of its spec."""
    more = "".join(f"  {line}\n" for line in lines)
    return (
        f"apiVersion: v1\ntype: Schedule\nmetadata: {{name: {name}}}\n"
        f"spec:\n  template: {template}\n{more}"
    )


def push_schedule(core: Core, actor: Actor, *lines: str, **names: str) -> SchedulePushed:
    return core.services.schedules.push(actor, schedule_source(*lines, **names))


def show(core: Core, actor: Actor, name: str = "nightly") -> ScheduleVersion:
    return core.services.schedules.get(actor, name)


def turn(core: Core) -> None:
    core.services.schedule_starts.turn()


def started(core: Core, actor: Actor) -> list[AutomationSummary]:
    """Return what there is, oldest first."""
    page = core.automations.list_newest(actor, AutomationFilter(), "", 200)
    return page.items[::-1]


def record(core: Core, actor: Actor, resource: str) -> list[tuple[str, str]]:
    """Return verb and author of each entry about something, oldest first."""
    entries = core.database.read(
        lambda db: audit.list_entries(
            db, actor.org_id, audit.AuditFilter(resource=resource), 2**53, 100
        )
    )
    return [(entry.verb, entry.actor_name) for entry in entries][::-1]
