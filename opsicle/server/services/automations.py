"""Triggering, showing and cancelling automations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import msgspec

from opsicle.domain.access import Action
from opsicle.domain.automations import AutomationState
from opsicle.domain.errors import Conflict, NotAllowed
from opsicle.domain.secrets import masked, only_secret
from opsicle.domain.templates import Template, Value
from opsicle.domain.unsupported import unsupported
from opsicle.domain.variables import check_values
from opsicle.domain.workers import SHARED, Candidate, requirements
from opsicle.kit.clock import Clock
from opsicle.kit.ids import new_id
from opsicle.pki.master_key import CannotOpen
from opsicle.server.services.actor import Actor
from opsicle.server.services.automation_views import Snapshot, summary, whole
from opsicle.server.services.dispatch import Dispatch, Offer
from opsicle.server.services.fleet import Fleet
from opsicle.server.services.job_logs import JobLogs
from opsicle.server.services.secrets import require_secrets
from opsicle.server.services.signals import Signals, automation_topic, org_topic
from opsicle.server.services.vault import Vault
from opsicle.server.services.work import template_of
from opsicle.server.store import audit, automations, idempotency, jobs, orgs, secrets, templates, workers
from opsicle.server.store.automations import AutomationRow, Filter
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.jobs import JobRow
from opsicle.server.store.secrets import SealedRow
from opsicle.wire.pages import Page
from opsicle.wire.user_api import Automation, AutomationSummary, RunRequest

MOST_ABSENT_WORKERS = 100
"""More than anybody wants to read of in one reason for waiting."""


REQUESTS_REMEMBERED = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class _New:
    """What is to be made: the row as people see it, and beside it what only a worker gets."""

    row: AutomationRow
    template: Template
    request: RunRequest
    sealed: SealedRow | None


class Automations:
    """What people do with automations; what workers do is in `jobs.py`."""

    def __init__(  # noqa: PLR0913, PLR0917 - what automations touch
        self,
        database: Database,
        job_logs: JobLogs,
        dispatch: Dispatch,
        fleet: Fleet,
        signals: Signals,
        clock: Clock,
        vault: Vault,
    ) -> None:
        self._database = database
        self._job_logs = job_logs
        self._dispatch = dispatch
        self._fleet = fleet
        self._signals = signals
        self._clock = clock
        self._vault = vault

    def create(self, actor: Actor, request: RunRequest, idempotency_key: str = "", rerun_of: str = "") -> Automation:
        """Trigger an automation; it is queued and durable when this returns.

        The same `idempotency_key` with the same request answers with the automation that the first call made.
        Raises NotFound for an unknown template, InvalidInput for values that do not fit, Conflict for a template
        that cannot run yet or a key that was used for another request.
        """
        actor.require(Action.AUTOMATIONS_CREATE)
        version = self._database.read(
            lambda db: templates.get_version(db, actor.org_id, request.template, request.version)
        )
        template = msgspec.json.decode(version.document, type=Template)
        _require_runnable(template)
        values = check_values(template.variables, request.values)
        asked = requirements(template)
        now = self._clock.now()
        row = AutomationRow(
            id=new_id(now),
            org_id=actor.org_id,
            template_id=version.template_id,
            template=template.name,
            version=version.version,
            values_json=msgspec.json.encode(masked(template.variables, values)).decode(),
            requirements=msgspec.json.encode(asked, order="sorted").decode(),
            on_worker_lost=template.on_worker_lost,
            state=AutomationState.QUEUED,
            requester_id=actor.user_id,
            requester_email=actor.email,
            requester_name=actor.name,
            reason=request.reason,
            rerun_of=rerun_of or None,
            created_at=now,
            queued_at=now,
        )
        with self._dispatch.offer(actor.org_id, asked) as offer:
            new = _New(row, template, request, self._sealed(row, template, values))
            stored = self._database.write(lambda db: self._insert(db, actor, new, idempotency_key, offer))
        if stored.id != row.id:
            return self.get(actor, stored.id)
        if offer is None:
            self._dispatch.wake_for(actor.org_id, asked)
        self._signals.changed(org_topic(actor.org_id))
        return whole(Snapshot(stored, template, [], 0, self._candidates(actor.org_id)))

    def _sealed(self, row: AutomationRow, template: Template, values: dict[str, Value]) -> SealedRow | None:
        hidden = only_secret(template.variables, values)
        return self._vault.seal_values(row.org_id, row.id, hidden) if hidden else None

    def _insert(self, db: Connection, actor: Actor, new: _New, key: str, offer: Offer | None) -> AutomationRow:
        row, request = new.row, new.request
        if key:
            digest = self._vault.fingerprint(msgspec.json.encode([request, row.rerun_of], order="sorted"))
            earlier = idempotency.find(db, actor.org_id, actor.user_id, key)
            if earlier and earlier.request_digest != digest:
                raise Conflict(
                    "this Idempotency-Key was used for another request", hint="Use a new key for a new request."
                )
            if earlier:
                return automations.get(db, actor.org_id, earlier.resource)
            made = idempotency.IdempotencyRow(digest, row.id)
            idempotency.insert(db, actor.org_id, actor.user_id, key, made, row.created_at)
        require_secrets(db, row.org_id, new.template)
        automations.insert(db, row)
        if new.sealed:
            secrets.insert_values(db, new.sealed)
        given = masked(new.template.variables, request.values)
        data = {"template": row.template, "version": row.version, "values": given, "rerun_of": row.rerun_of}
        audit.append(db, row.created_at, row.org_id, actor, "run", f"automations/{row.id}", data)
        if offer:
            offer.take(db, row)
        return row

    def rerun(self, actor: Actor, automation_id: str, idempotency_key: str = "") -> Automation:
        """Trigger a new automation of the same version with the same values; it names the old one."""
        actor.require(Action.AUTOMATIONS_CREATE)

        def query(db: Connection) -> tuple[AutomationRow, SealedRow | None]:
            return automations.get(db, actor.org_id, automation_id), secrets.find_values(db, automation_id)

        old, sealed = self._database.read(query)
        values = msgspec.json.decode(old.values_json, type=dict[str, Value])
        values.update(self._opened(sealed) if sealed else {})
        request = RunRequest(template=old.template, version=old.version, values=values, reason=old.reason)
        return self.create(actor, request, idempotency_key, rerun_of=old.id)

    def _opened(self, sealed: SealedRow) -> dict[str, Value]:
        try:
            return self._vault.open_values(sealed)
        except CannotOpen as error:
            raise Conflict("its secret values cannot be decrypted", hint="Run the template with new ones.") from error

    def get(self, actor: Actor, automation_id: str) -> Automation:
        """One automation whole. Raises NotFound."""
        actor.require(Action.AUTOMATIONS_VIEW)

        def query(db: Connection) -> Snapshot:
            row = automations.get(db, actor.org_id, automation_id)
            template = template_of(db, row.template_id, row.version)
            tries = jobs.list_of_automation(db, row.id)
            return Snapshot(row, template, tries, 0, self._candidates(actor.org_id, db))

        snapshot = self._database.read(query)
        newest = snapshot.newest_job
        return whole(replace(snapshot, log_bytes=self._job_logs.size(newest.id) if newest else 0))

    def list_newest(self, actor: Actor, wanted: Filter, cursor: str, limit: int) -> Page[AutomationSummary]:
        """A page of the org's automations, newest first."""
        actor.require(Action.AUTOMATIONS_VIEW)

        def query(db: Connection) -> tuple[list[AutomationRow], list[Candidate]]:
            rows = automations.list_newest(db, actor.org_id, wanted, cursor, limit + 1)
            return rows, self._candidates(actor.org_id, db)

        rows, candidates = self._database.read(query)
        items = [summary(row, candidates) for row in rows[:limit]]
        return Page(items, rows[limit - 1].id if len(rows) > limit else "")

    def cancel(self, actor: Actor, automation_id: str) -> Automation:
        """End a waiting automation, or ask the worker to stop a running one; asking twice is harmless.

        Raises NotAllowed unless the caller triggered it or may cancel any; Conflict if it is over.
        """
        actor.require(Action.AUTOMATIONS_VIEW)
        now = self._clock.now()

        def work(db: Connection) -> JobRow | None:
            row = automations.get(db, actor.org_id, automation_id)
            if row.requester_id != actor.user_id and not actor.may(Action.AUTOMATIONS_CANCEL_ANY):
                raise NotAllowed("you may only cancel what you triggered yourself", hint="Ask an operator.")
            job = jobs.find(db, row.job_id) if row.job_id else None
            if automations.cancel_waiting(db, row.id, actor.user_id, now):
                if job:
                    jobs.give_back(db, job.id, now)
            elif not automations.request_cancel(db, row.id, actor.user_id, now):
                if row.state != AutomationState.RUNNING:
                    raise Conflict(f"this automation is already over: it {_ENDED[row.state]}")
                return job
            audit.append(db, now, row.org_id, actor, "cancel", f"automations/{row.id}")
            return job

        job = self._database.write(work)
        if job:
            self._dispatch.wake_worker(job.worker_id)
        self._signals.changed(automation_topic(automation_id), org_topic(actor.org_id))
        return self.get(actor, automation_id)

    def newest_job(self, actor: Actor, automation_id: str) -> JobRow | None:
        """The newest attempt of an automation, None before the first. Raises NotFound."""
        actor.require(Action.AUTOMATIONS_VIEW)

        def query(db: Connection) -> JobRow | None:
            automations.get(db, actor.org_id, automation_id)
            tries = jobs.list_of_automation(db, automation_id)
            return tries[-1] if tries else None

        return self._database.read(query)

    def forget_requests(self) -> None:
        """Drop idempotency keys that are so old that nobody will send them again."""
        before = self._clock.now() - REQUESTS_REMEMBERED
        self._database.write(lambda db: idempotency.delete_before(db, before))

    def _candidates(self, org_id: str, db: Connection | None = None) -> list[Candidate]:
        """Who serves the org, for saying why an automation waits; if none has polled yet, those that are away."""
        connected = self._fleet.candidates(org_id)
        if db is None or connected:
            return connected
        rows = workers.list_workers(db, org_id, "", MOST_ABSENT_WORKERS)
        absent = [Candidate(name=row.name, is_connected=False) for row in rows if row.state != "revoked"]
        if orgs.allows_shared_workers(db, org_id) and workers.has_shared(db):
            absent.append(Candidate(name=SHARED, is_connected=False, is_shared=True))
        return absent


_ENDED = {
    AutomationState.SUCCEEDED: "succeeded",
    AutomationState.FAILED: "failed",
    AutomationState.CANCELLED: "was cancelled",
    AutomationState.TIMED_OUT: "timed out",
    AutomationState.REJECTED: "was rejected",
    AutomationState.EXPIRED: "expired",
    AutomationState.UNKNOWN: "ended unknown, because its worker was lost",
}


def _require_runnable(template: Template) -> None:
    problems = unsupported(template)
    if problems:
        raise Conflict(
            f"template {template.name} cannot run: {problems[0].message}",
            hint="It can be pushed and shown, but nothing of it is executed.",
            problems=tuple(problems),
        )
