"""Messages about orgs as those see and change them who run the server; see `user_api.py`."""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from opsicle.domain.bounds import Reason, Word
from opsicle.wire.jobs import Int32


class OrgQuotas(msgspec.Struct, kw_only=True):
    """What an org may use; null: as the server has it for all, of automations any number."""

    automations_an_hour: int | None = None
    log_mib: int | None = None
    artifact_mib: int | None = None


class OrgUsage(msgspec.Struct, kw_only=True):
    """How large an org is, and how active.

    `log_bytes` are packed, as they lie on the disk, and may take `most_log_bytes`; files take
    `artifact_bytes` of `most_artifact_bytes`. `automations` are those that are kept. Those of the
    last day and of 30 days are counted by the clock's hours. `last_activity_at` is when the org's
    record got its newest entry.
    """

    automations: int
    automations_last_hour: int
    automations_last_day: int
    automations_last_30_days: int
    audit_entries: int
    member_count: int
    worker_count: int
    log_bytes: int
    most_log_bytes: int
    artifact_bytes: int
    most_artifact_bytes: int
    last_activity_at: datetime | None = None


class OperatedOrg(msgspec.Struct, kw_only=True):
    """An org of the server: how large it is and what it may use, and nothing of what is in it.

    It starts nothing since `suspended_at`; at `delete_at` it is deleted, as `deletion_asked_by` has
    asked, and `removal` says how far that is.
    """

    id: str
    code: str
    name: str
    usage: OrgUsage
    quotas: OrgQuotas
    suspended_at: datetime | None = None
    suspended_reason: str = ""
    delete_at: datetime | None = None
    deletion_asked_by: str = ""
    removal: OrgRemovalProgress | None = None


class OrgRemovalProgress(msgspec.Struct, kw_only=True):
    """How far the removal of an org is: so many of its automations, and rows in all."""

    begun_at: datetime
    automations: int
    automations_removed: int
    rows_removed: int


class SuspendRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Suspends an org; `reason` is shown to its people.

    `cancels_running`: what runs and waits is cancelled, instead of going on and waiting on.
    """

    reason: Reason = ""
    cancels_running: bool = False


class DeleteOrgRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Has an org deleted in so many days. `confirm` is its code, a second time."""

    confirm: Word
    grace_days: Int32 = 7
    cancels_running: bool = True


class DayOfUsage(msgspec.Struct, kw_only=True):
    """How many automations an org has triggered on a day in UTC."""

    day: date
    automations: int


class OwnUsage(msgspec.Struct, kw_only=True):
    """What the caller's org uses, and what it may.

    `days` are those of the last 30 on which something was triggered, the oldest first.
    """

    usage: OrgUsage
    quotas: OrgQuotas
    days: list[DayOfUsage] = []


class ChangeQuotasRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Changes what an org may use. Only what is given changes; null is as the server has it."""

    automations_an_hour: Int32 | msgspec.UnsetType | None = msgspec.UNSET
    log_mib: Int32 | msgspec.UnsetType | None = msgspec.UNSET
    artifact_mib: Int32 | msgspec.UnsetType | None = msgspec.UNSET
