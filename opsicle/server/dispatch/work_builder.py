"""Turning an automation's row into what a worker is handed."""

from __future__ import annotations

import logging
from typing import NamedTuple

import msgspec

from opsicle.domain.artifacts import ArtifactLimits
from opsicle.domain.automations import AutomationState
from opsicle.domain.bound_targets import BoundTarget
from opsicle.domain.concurrency import queue_place
from opsicle.domain.errors import NotFound
from opsicle.domain.files import input_files
from opsicle.domain.pauses import Resume
from opsicle.domain.plans import MAX_PLAN_LOG_BYTES
from opsicle.domain.secrets import named_secrets
from opsicle.domain.templates import Phase, Template, VariableType
from opsicle.domain.variables import environment
from opsicle.domain.workers import encoded
from opsicle.kit.clock import Clock
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
from opsicle.server.approvals.changed_targets import target_refusal
from opsicle.server.approvals.evidence import Evidence
from opsicle.server.approvals.manifests import machine_of, requirements_of
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
from opsicle.wire.jobs import TargetAccess, Work

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


class _Opened(msgspec.Struct, frozen=True):
    """The values of secret variables, secrets by name, the key of the target; or the error."""

    hidden: HiddenValues = msgspec.field(default_factory=lambda: HiddenValues(b"", {}))
    secrets: dict[str, str] = msgspec.field(default_factory=dict)
    key: str = ""
    withheld: str = ""


class WorkBuilder:
    """Makes `Work`, once what is stored has been found to be what was triggered."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a worker is told
        self,
        vault: Vault,
        bindings: Bindings,
        order_signer: OrderSigner,
        evidence: Evidence,
        clock: Clock,
        max_log_bytes: int | None = None,
        artifact_limits: ArtifactLimits = ArtifactLimits(),  # noqa: B008 - it never changes
    ) -> None:
        self._max_log_bytes = max_log_bytes
        self._artifact_limits = artifact_limits
        self._vault = vault
        self._bindings = bindings
        self._order_signer = order_signer
        self._evidence = evidence
        self._clock = clock

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
            manifest = checked.bound.manifest
            member = machine_of(manifest.member_of, manifest.fan_out)
            if row.state is AutomationState.PLANNING or not manifest.fan_out:
                reason = reason or target_refusal(db, row.org_id, member)
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

    def resume(
        self, db: Connection, row: AutomationRow, job: JobRow, checked: CheckedWork
    ) -> Resume:
        """Return how a paused job goes on, as people have decided.

        Raises AlteredManifest where what is stored is not what was asked or decided, or its target
        is not what it was.
        """
        manifest = checked.bound.manifest
        try:
            machine = machine_of(manifest.member_of, manifest.fan_out)
            if reason := target_refusal(db, row.org_id, machine):
                raise AlteredManifest(reason)
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
        machine = machine_of(bound.member_of, bound.fan_out)
        target = machine.target if machine else None
        opened = self._open(db, row, template, phases, target)

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
            secret_environment=environment(template.variables, opened.hidden.values),
            secret_values=opened.secrets,
            withheld=opened.withheld,
            volume_mounts=template.volume_mounts,
            timeout=template.timeout,
            manifest=manifest.content,
            order=order,
            signature=signature,
            secret_salt=opened.hidden.salt,
            max_log_bytes=_smaller(self._max_log_bytes, MAX_PLAN_LOG_BYTES if is_plan else None),
            artifact_limits=self._artifact_limits,
            files=input_files(template.variables, values),
            resumed_from=None if is_plan else bound.resumed_from,
            is_plan=is_plan,
            plan_outputs=bound.plan_outputs,
            keep_workspace=None if is_plan else bound.keep_workspace,
            target=_access(target, opened.key),
        )

    def _open(
        self,
        db: Connection,
        row: AutomationRow,
        template: Template,
        phases: tuple[Phase, ...],
        target: BoundTarget | None,
    ) -> _Opened:
        """Return what is secret of an automation, or why it cannot be had.

        Never raises: one damaged row must not keep a worker from its other work.
        """
        secrets: dict[str, str] = {}
        hidden, named = HiddenValues(b"", {}), set(named_secrets(phases))
        try:
            for name in named | ({target.secret} if target else set()):
                sealed = stored_secrets.find_sealed(db, row.org_id, name)
                if sealed is None:
                    gone = f"the secret {name} was deleted before the automation began"
                    return _Opened(withheld=gone)
                secrets[name] = self._vault.open_secret(sealed)
            if any(variable.type is VariableType.SECRET for variable in template.variables):
                sealed = stored_secrets.find_values(db, row.id)
                hidden = self._vault.open_values(sealed) if sealed else hidden
        except CannotOpen:
            facts = {"automation": row.id}
            log.error("a secret cannot be decrypted", extra=facts)  # noqa: TRY400 - says nothing more
            return _Opened(withheld="the server cannot decrypt a secret that the automation needs")
        if secrets:
            stored_secrets.note_use(db, row.org_id, secrets, row.id, self._clock.now())
        key = secrets[target.secret] if target else ""
        return _Opened(hidden, {name: secrets[name] for name in secrets if name in named}, key)


def _access(target: BoundTarget | None, key: str) -> TargetAccess | None:
    if target is None:
        return None
    return TargetAccess(
        name=target.name,
        host=target.host,
        port=target.port,
        user=target.user,
        host_keys=target.host_keys,
        key=key,
    )


def _smaller(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)
