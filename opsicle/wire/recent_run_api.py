"""How the newest automations of each template, or on a worker, went."""

from __future__ import annotations

from datetime import datetime

import msgspec

from opsicle.domain.automations import AutomationState, JobState


class RecentRun(msgspec.Struct, kw_only=True):
    """One automation. `seconds` is how long it has run, null while it does or if it never did.

    `version` is that of its template.
    """

    id: str
    version: int = 0
    state: AutomationState
    created_at: datetime
    seconds: float | None = None


class TemplateRuns(msgspec.Struct, kw_only=True):
    """A template's newest automations, newest first.

    30 at most in a list of templates, 100 of one template: of that `next_cursor` leads to earlier
    ones.
    """

    template: str
    runs: list[RecentRun]
    next_cursor: str = ""


class WorkerJob(msgspec.Struct, kw_only=True):
    """An attempt that a worker was handed: `state` is how that went, not the automation.

    `seconds` is how long it has run, null while it does or if it never did.
    """

    automation_id: str
    template: str
    state: JobState
    leased_at: datetime
    seconds: float | None
