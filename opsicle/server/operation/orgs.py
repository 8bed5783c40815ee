"""Orgs as those see them who run the server: their size, their activity, what they may use.

Nothing here counts what grows: automations are counted by triggers as they come and go, bytes by
the stores that keep them, and what the last hour has brought is counted up to the quota alone. So a
page of orgs costs the same whatever they have behind them. Of what is in an org, nothing is read.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import msgspec
from msgspec import UNSET

from opsicle.domain.access import Action
from opsicle.domain.artifacts import MIB
from opsicle.domain.errors import required
from opsicle.kit.clock import Clock, to_text
from opsicle.kit.ids import lowest_id
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor
from opsicle.server.dispatch.job_artifacts import ArtifactBounds
from opsicle.server.dispatch.job_logs import JobLogs
from opsicle.server.dispatch.quotas import HOUR
from opsicle.server.http.paging import page_of
from opsicle.server.identity.orgs import no_org
from opsicle.server.identity.step_up import StepUp
from opsicle.server.store import audit, org_quotas, org_removals, orgs, suspensions
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.org_quotas import QuotaRow
from opsicle.server.store.org_removals import RemovalRow
from opsicle.server.store.orgs import OrgRow
from opsicle.wire.operation_api import (
    ChangeQuotasRequest,
    DayOfUsage,
    OperatedOrg,
    OrgQuotas,
    OrgRemovalProgress,
    OrgUsage,
    OwnUsage,
)
from opsicle.wire.pages import Page

_DAY, _MONTH = timedelta(days=1), timedelta(days=30)
MOST_HOURLY, MOST_MIB = 1_000_000, 1 << 30
"""A million in an hour, and a pebibyte: beyond that it is a slip."""

_MOST_COUNTED_OF_HOUR = 10_000
_LENGTH_OF_HOUR = len("2026-11-27T17")
_FIELDS = {"automations_an_hour": "hourly", "log_mib": "log_mib", "artifact_mib": "artifact_mib"}


class OrgOperations:
    """What those who run the server see of orgs, and let them use."""

    def __init__(
        self,
        database: Database,
        step_up: StepUp,
        job_logs: JobLogs,
        artifact_bounds: ArtifactBounds,
        clock: Clock,
    ) -> None:
        self._database = database
        self._step_up = step_up
        self._job_logs = job_logs
        self._artifact_bounds = artifact_bounds
        self._clock = clock

    def list_all(self, actor: Actor, cursor: str, limit: int) -> Page[OperatedOrg]:
        """Return all orgs of the server by code."""
        actor.require(Action.SERVER_MANAGE)
        log_bytes, now = self._job_logs.usage(), self._clock.now()

        def query(db: Connection) -> Page[OperatedOrg]:
            return page_of(
                orgs.list_all(db, cursor, limit + 1),
                limit,
                lambda row: self._shown(db, row, log_bytes.get(row.id, 0), now),
                lambda row: row.code,
            )

        return self._database.read_long(query)

    def get(self, actor: Actor, code: str) -> OperatedOrg:
        """Return one org. Raises NotFound."""
        actor.require(Action.SERVER_MANAGE)
        log_bytes, now = self._job_logs.usage(), self._clock.now()

        def query(db: Connection) -> OperatedOrg:
            row = required(orgs.find_by_code(db, code), no_org(code))
            return self._shown(db, row, log_bytes.get(row.id, 0), now)

        return self._database.read(query)

    def change_quotas(self, actor: Actor, code: str, request: ChangeQuotasRequest) -> OperatedOrg:
        """Change what an org may use; it holds from the next automation, line and file on.

        It stands in the org's record and in the server's. Raises NotFound; InvalidInput for what is
        no quota; StepUpRequired.
        """
        self._step_up.require(actor, Action.SERVER_MANAGE)
        changes = {name: getattr(request, name) for name in _FIELDS}
        changes = {name: quota for name, quota in changes.items() if quota is not UNSET}
        for name, quota in changes.items():
            most = MOST_HOURLY if name == "automations_an_hour" else MOST_MIB
            if quota is not None and not 1 <= quota <= most:
                raise validators.invalid(name, f"must be between 1 and {most:,}; null is none")

        def work(db: Connection) -> None:
            org = required(orgs.find_by_code(db, code), no_org(code))
            org_quotas.change(db, org.id, {_FIELDS[name]: quota for name, quota in changes.items()})
            for org_id in (org.id, None):
                audit.append(
                    db, self._clock.now(), org_id, actor, "update", f"orgs/{code}/quotas", changes
                )

        self._database.write(work)
        if self._job_logs.quotas:
            self._job_logs.quotas.refresh()
        return self.get(actor, code)

    def own_usage(self, actor: Actor) -> OwnUsage:
        """Return what the caller's org uses, and what it may."""
        actor.require(Action.ORGS_MANAGE)
        log_bytes, now = self._job_logs.usage(), self._clock.now()

        def query(db: Connection) -> OwnUsage:
            row = required(orgs.find(db, actor.org_id), no_org(actor.org_code))
            shown = self._shown(db, row, log_bytes.get(row.id, 0), now)
            days = [
                DayOfUsage(day=date.fromisoformat(each.day), automations=each.triggered)
                for each in org_quotas.list_days(db, row.id, _hour(now - _MONTH))
            ]
            return OwnUsage(usage=shown.usage, quotas=shown.quotas, days=days)

        return self._database.read(query)

    def _shown(self, db: Connection, row: OrgRow, log_bytes: int, now: datetime) -> OperatedOrg:
        quotas = org_quotas.find(db, row.id)
        suspension, removal = suspensions.find(db, row.id), org_removals.find(db, row.id)
        return OperatedOrg(
            id=row.id,
            code=row.code,
            name=row.name,
            usage=self._usage(db, row.id, quotas, log_bytes, now),
            quotas=OrgQuotas(
                automations_an_hour=quotas.hourly,
                log_mib=quotas.log_mib,
                artifact_mib=quotas.artifact_mib,
            ),
            suspended_at=suspension.suspended_at,
            suspended_reason=suspension.reason,
            delete_at=suspension.delete_at,
            deletion_asked_by=suspension.asked_by,
            removal=_progress(removal) if removal else None,
        )

    def _usage(
        self, db: Connection, org_id: str, quotas: QuotaRow, log_bytes: int, now: datetime
    ) -> OrgUsage:
        size = required(org_quotas.size(db, org_id), no_org(org_id))
        most_of_hour = quotas.hourly or _MOST_COUNTED_OF_HOUR
        of_hour = org_quotas.count_since(db, org_id, lowest_id(now - HOUR), most_of_hour)
        server_logs, server_files = self._job_logs.bounds.org_bytes, self._artifact_bounds.org_bytes
        return OrgUsage(
            **msgspec.structs.asdict(size),
            automations_last_hour=of_hour.triggered,
            automations_last_day=org_quotas.triggered_since(db, org_id, _hour(now - _DAY)),
            automations_last_30_days=org_quotas.triggered_since(db, org_id, _hour(now - _MONTH)),
            log_bytes=log_bytes,
            most_log_bytes=quotas.log_mib * MIB if quotas.log_mib else server_logs,
            most_artifact_bytes=quotas.artifact_mib * MIB if quotas.artifact_mib else server_files,
        )


def _progress(row: RemovalRow) -> OrgRemovalProgress:
    return OrgRemovalProgress(
        begun_at=row.begun_at,
        automations=row.automations,
        automations_removed=row.removed,
        rows_removed=row.rows_removed,
    )


def _hour(at: datetime) -> str:
    return to_text(at)[:_LENGTH_OF_HOUR]
