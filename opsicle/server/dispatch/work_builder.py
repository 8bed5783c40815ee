"""Turning an automation's row into what a worker is handed."""

from __future__ import annotations

import logging
from typing import NamedTuple

import msgspec

from opsicle.domain.artifacts import ArtifactLimits
from opsicle.domain.automations import AutomationState
from opsicle.domain.concurrency import queue_place
from opsicle.domain.errors import NotFound
from opsicle.domain.files import input_files
from opsicle.domain.pauses import Resume
from opsicle.domain.plans import MAX_PLAN_LOG_BYTES
from opsicle.domain.secrets import named_secrets
from opsicle.domain.templates import Phase, Template, VariableType
from opsicle.domain.variables import environment
from opsicle.domain.workers import encoded
from opsicle.security.master_key import CannotOpen
from opsicle.server.access.stored_values import read_values
from opsicle.server.access.template_versions import template_of
from opsicle.server.approvals.bindings import (
    ALTERED,
    UNBOUND,
    UNREADABLE,
    AlteredManifest,
    Bindings,
    BoundManifest,
)
from opsicle.server.approvals.evidence import Evidence
from opsicle.server.approvals.manifests import requirements_of
from opsicle.server.approvals.pauses import resume_of
from opsicle.server.approvals.pre_lease_check import plan_refusal, refusal_reason
from opsicle.server.dispatch.called_ends import resume_of_call
from opsicle.server.dispatch.lease_store import Lease
from opsicle.server.dispatch.order_signer import Ordered, OrderSigner
from opsicle.server.keys.vault import HiddenValues, Vault
from opsicle.server.store import approvals, calls
from opsicle.server.store import secrets as stored_secrets
from opsicle.server.store.approvals import ApprovalRow
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.server.store.epochs import Epoch
from opsicle.server.store.jobs import JobRow
from opsicle.wire.jobs import Work

log = logging.getLogger(__name__)


class CheckedWork(NamedTuple):
    """What an automation that may be leased will run, and what was asked for it, if anything."""

    template: Template
    bound: BoundManifest
    approval: ApprovalRow | None


class WorkManifest(NamedTuple):
    """A manifest in a format that its worker knows, and the format that reads an order."""

    content: bytes
    number: int


class WorkBuilder:
    """Makes `Work`, once what is stored has been found to be what was triggered."""

    def __init__(
        self,
        vault: Vault,
        bindings: Bindings,
        order_signer: OrderSigner,
        evidence: Evidence,
        max_log_bytes: int | None = None,
        artifact_limits: ArtifactLimits = ArtifactLimits(),  # noqa: B008 - it never changes
    ) -> None:
        self._max_log_bytes = max_log_bytes
        self._artifact_limits = artifact_limits
        self._vault = vault
        self._bindings = bindings
        self._order_signer = order_signer
        self._evidence = evidence

    def check(self, db: Connection, row: AutomationRow) -> CheckedWork:
        """Compare what is stored with what was triggered and approved.

        Raises AlteredManifest, whatever is wrong with it.
        """
        checked = self.check_bound(db, row)
        template, approval = checked.template, checked.approval
        try:
            if row.state is AutomationState.PLANNING:
                reason = plan_refusal(db, row, approval)
            else:
                reason = refusal_reason(db, self._bindings, row, template, approval)
                reason = reason or self._evidence.problem(db, row, template)
        except (NotFound, ValueError, msgspec.MsgspecError, RecursionError) as error:
            # A policy or an entry that was altered must not keep every worker's poll from being
            # answered.
            facts = {"automation": row.id, "reason": str(error)}
            log.error("what an automation falls under cannot be read", extra=facts)  # noqa: TRY400
            raise AlteredManifest(UNREADABLE) from error
        if reason:
            raise AlteredManifest(reason)
        return checked

    def check_bound(self, db: Connection, row: AutomationRow) -> CheckedWork:
        """Compare what is stored with what was triggered. Raises AlteredManifest."""
        if not row.manifest_digest:
            raise AlteredManifest(UNBOUND)

        try:
            template = template_of(db, row.template_id, row.version)
            values, is_member = read_values(row.values_json), bool(row.member_of)
            place = queue_place(template, values, is_member=is_member)
        except (NotFound, ValueError, msgspec.MsgspecError, RecursionError) as error:
            facts = {"automation": row.id, "reason": str(error)}
            log.error("a stored automation cannot be read", extra=facts)  # noqa: TRY400
            raise AlteredManifest(UNREADABLE) from error

        approval = approvals.find_of_automation(db, row.id) if row.approval_id else None
        bound = self._bindings.check(db, row, template, approval)
        wanted = requirements_of(bound.manifest, template, row.state)
        if (encoded(wanted), place) != (row.requirements, row.queue_place):
            raise AlteredManifest(ALTERED)
        return CheckedWork(template, bound, approval)

    def resume(self, db: Connection, row: AutomationRow, job: JobRow) -> Resume:
        """Return how a paused job goes on, as people have decided.

        Raises AlteredManifest where what is stored is not what was asked or decided.
        """
        try:
            if wait := calls.find_wait(db, job.pause_id or ""):
                return resume_of_call(db, self._bindings, row, job, wait)
            return resume_of(db, self._bindings, row, job)
        except (NotFound, ValueError, msgspec.MsgspecError, RecursionError) as error:
            facts = {"automation": row.id, "reason": str(error)}
            log.error("what a job was asked in its midst cannot be read", extra=facts)  # noqa: TRY400
            raise AlteredManifest(UNREADABLE) from error

    @property
    def epoch(self) -> Epoch:
        """That of the orders."""
        return self._order_signer.epoch

    def make(
        self,
        db: Connection,
        row: AutomationRow,
        lease: Lease,
        checked: CheckedWork,
        manifest: WorkManifest,
        resume: Resume | None = None,
    ) -> Work:
        """Return all that the worker needs under this lease, with the order to do so."""
        template, bound = checked.template, checked.bound.manifest
        is_plan = row.state is AutomationState.PLANNING
        what = Ordered(manifest.number, manifest.content, resume, is_plan=is_plan)
        order, signature = self._order_signer.sign(db, lease, what, checked.approval)
        phases = template.plan if is_plan else template.phases
        values = read_values(row.values_json)
        hidden, secrets, withheld = self._secrets(db, row, template, phases)

        return Work(
            automation_id=row.id,
            job_id=lease.job_id,
            fence=lease.fence,
            template=row.template,
            requester=row.requester_email,
            phases=phases,
            environment=environment(
                [v for v in template.variables if v.type is not VariableType.SECRET], values
            ),
            secret_environment=environment(template.variables, hidden.values),
            secrets=secrets,
            withheld=withheld,
            volume_mounts=template.volume_mounts,
            timeout=template.timeout,
            manifest=manifest.content,
            order=order,
            signature=signature,
            secret_salt=hidden.salt,
            max_log_bytes=_smaller(self._max_log_bytes, MAX_PLAN_LOG_BYTES if is_plan else None),
            artifact_limits=self._artifact_limits,
            files=input_files(template.variables, values),
            resumed_from=None if is_plan else bound.resumed_from,
            is_plan=is_plan,
            plan_outputs=bound.plan_outputs,
            keep_workspace=None if is_plan else template.keep_workspace,
        )

    def _secrets(
        self, db: Connection, row: AutomationRow, template: Template, phases: tuple[Phase, ...]
    ) -> tuple[HiddenValues, dict[str, str], str]:
        """Return the secret variables' values, the secrets by name, and the error, if any.

        Never raises: one damaged row must not keep a worker from its other work.
        """
        secrets: dict[str, str] = {}
        nothing = hidden = HiddenValues(b"", {})
        try:
            for name in named_secrets(phases):
                sealed = stored_secrets.find_sealed(db, row.org_id, name)
                if sealed is None:
                    return nothing, {}, f"the secret {name} was deleted before the automation began"
                secrets[name] = self._vault.open_secret(sealed)
            if any(variable.type is VariableType.SECRET for variable in template.variables):
                sealed = stored_secrets.find_values(db, row.id)
                hidden = self._vault.open_values(sealed) if sealed else nothing
        except CannotOpen:
            facts = {"automation": row.id}
            log.error("a secret cannot be decrypted", extra=facts)  # noqa: TRY400 - says nothing more
            return nothing, {}, "the server cannot decrypt a secret that the automation needs"
        return hidden, secrets, ""


def _smaller(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)
