"""How many automations of an org may run at once, and how many may wait, of it or of a template.

What waits is counted no further than its limit, so that a trigger costs at most that.
"""

from __future__ import annotations

from opsicle.domain.errors import TooManyRequests
from opsicle.server.access.suspended import require_active, suspension_text
from opsicle.server.dispatch.quotas import require_quota
from opsicle.server.store import queue_limits
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.server.store.queue_limits import QueueLimits

_RETRY_AFTER_SECONDS = 30


def free_capacity(db: Connection, org_id: str, wanted: int) -> int:
    """Return how many of `wanted` automations an org may have begin; none where it is suspended."""
    return _free(db, org_id, queue_limits.find(db, org_id), wanted)


def _free(db: Connection, org_id: str, limits: QueueLimits, wanted: int) -> int:
    if limits.is_suspended:
        return 0
    most = limits.max_running
    if most is None:
        return wanted
    return min(wanted, most - queue_limits.count_running(db, org_id, most))


def running_limit_reason(db: Connection, org_id: str) -> str:
    """Say that an org is suspended, or has as many running as it may; "" if neither is so."""
    limits = queue_limits.find(db, org_id)
    if limits.is_suspended:
        return suspension_text(db, org_id)
    if _free(db, org_id, limits, 1) > 0:
        return ""
    return f"org limit of {limits.max_running} running reached"


def require_room_to_wait(db: Connection, row: AutomationRow) -> None:
    """Raise TooManyRequests where as many wait, of a new automation's org or template, as may.

    Also where the quota of its org for this hour is used up; Suspended where its org is that.
    """
    limits = queue_limits.find(db, row.org_id)
    if limits.is_suspended:
        require_active(db, row.org_id)
    if limits.hourly_quota is not None:
        require_quota(db, row.org_id, limits.hourly_quota, row.created_at)

    most = limits.max_waiting
    if most is not None and queue_limits.count_waiting(db, row.org_id, most) >= most:
        raise TooManyRequests(
            f"{most:,} automations of this org wait already, and no more may",
            retry_after=_RETRY_AFTER_SECONDS,
            hint="Cancel some; an admin allows more with `opsicle orgs update --max-waiting N`.",
        )

    most, template_id = row.max_waiting, row.template_id
    if most is not None and (
        queue_limits.count_waiting_of_template(db, row.org_id, template_id, most) >= most
    ):
        raise TooManyRequests(
            f"{most:,} automations of {row.template} wait already, and no more may",
            retry_after=_RETRY_AFTER_SECONDS,
            hint="Cancel some; `maxWaiting` in the template allows more.",
        )
