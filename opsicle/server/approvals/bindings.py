"""Binding what was triggered, and who agreed, so that the database alone cannot change it.

The digest of the manifest says what was triggered. A code under a key outside the database
(`security/binding_key.py`) says that this server has triggered it, so that rows and digest altered
alike are noticed too; and so it is with each decision. Both are looked at whenever an approval is
loaded or decided on, and before every lease.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import NamedTuple

import msgspec

from opsicle.domain.manifest_formats import FORMATS, NEWEST, FieldNotSupported
from opsicle.domain.manifests import Manifest, canonical, digest
from opsicle.domain.pauses import ApprovalKind
from opsicle.domain.resume_points import ResumePoint
from opsicle.domain.templates import Template
from opsicle.kit.clock import to_text
from opsicle.security.binding_key import BindingKey, is_same
from opsicle.server.approvals.manifests import build, rebuild
from opsicle.server.store.approvals import ApprovalRow, DecisionRow
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection

log = logging.getLogger(__name__)

ALTERED = "what is stored of it was altered after it was triggered"
UNBOUND = (
    "it was triggered by a version of Opsicle that did not bind it to its content; run it again"
)
UNREADABLE = "what is stored of it cannot be read any more"


class AlteredManifest(Exception):
    """What is stored of an automation is not what was triggered; the message says so.

    Never leaves the services.
    """


class BoundManifest(NamedTuple):
    """A manifest that is what was triggered.

    `content` is its canonical encoding in the format that it was bound in.
    """

    manifest: Manifest
    number: int
    content: bytes

    def encoded_for(self, number: int, formats: Collection[int]) -> bytes:
        """Return its encoding for a worker.

        As it was bound, or else in the newest format that both sides support.

        Raises FieldNotSupported if that has no field for something that the worker must know.
        """
        return (
            self.content if self.number in formats else canonical(self.manifest.in_format(number))
        )


class Bindings:
    """Binds automations and decisions, and tells whether stored ones are still what was bound."""

    def __init__(self, key: BindingKey) -> None:
        self._key = key

    def bind(
        self,
        row: AutomationRow,
        template: Template,
        approval: ApprovalRow | None,
        commitments: dict[str, str],
        resume_point: ResumePoint | None = None,
    ) -> tuple[AutomationRow, BoundManifest]:
        """Return a new automation with all that binds it, and its manifest.

        `approval` is what will be asked for it.
        """
        new = msgspec.structs.replace(row, manifest_format=NEWEST)
        manifest = build(new, template, approval, commitments, resume_point)
        content = canonical(manifest)
        manifest_digest = digest(content)
        mac = self._key.of_automation(_covered(manifest_digest, manifest))
        row = msgspec.structs.replace(new, manifest_digest=manifest_digest, mac=mac)
        return row, BoundManifest(manifest, NEWEST, content)

    def bind_again(
        self, db: Connection, row: AutomationRow, template: Template, approval: ApprovalRow | None
    ) -> AutomationRow:
        """Return a stored automation with all that binds it as it is from now on.

        Only for one that has been found to be as it was bound. Raises as `rebuild`.
        """
        new = msgspec.structs.replace(row, manifest_format=NEWEST)
        manifest = rebuild(db, new, template, approval)
        manifest_digest = digest(canonical(manifest))
        mac = self._key.of_automation(_covered(manifest_digest, manifest))
        return msgspec.structs.replace(new, manifest_digest=manifest_digest, mac=mac)

    def check(
        self, db: Connection, row: AutomationRow, template: Template, approval: ApprovalRow | None
    ) -> BoundManifest:
        """Return a stored automation's manifest, if it and its approval are as they were bound.

        Raises Altered.
        """
        bound = self._read(db, row, template, approval)
        if not is_same(
            self._key.of_automation(_covered(row.manifest_digest, bound.manifest)), row.mac
        ):
            raise AlteredManifest(ALTERED)
        return bound

    def code_of(
        self, db: Connection, row: AutomationRow, template: Template, approval: ApprovalRow | None
    ) -> str:
        """Return the code for an automation that was bound before there were any.

        Raises Altered if it is not what it was.
        """
        bound = self._read(db, row, template, approval)
        return self._key.of_automation(_covered(row.manifest_digest, bound.manifest))

    def sign(self, approval: ApprovalRow, decision: DecisionRow) -> DecisionRow:
        """Return a decision that this server can know again as one that it has taken down."""
        return msgspec.structs.replace(
            decision, mac=self._key.of_decision(_decided(approval, decision))
        )

    def is_signed(self, approval: ApprovalRow, decision: DecisionRow) -> bool:
        """Return whether a stored decision is as it was taken down."""
        return is_same(self._key.of_decision(_decided(approval, decision)), decision.mac)

    def sign_pause(self, row: ApprovalRow) -> ApprovalRow:
        """Return what is asked in the midst of a job, so that this server knows it again."""
        return msgspec.structs.replace(row, mac=self._key.of_pause(_question_bytes(row)))

    def is_pause_signed(self, row: ApprovalRow) -> bool:
        """Return whether what is stored of a pause is what this server has asked."""
        return is_same(self._key.of_pause(_question_bytes(row)), row.mac)

    def _read(
        self, db: Connection, row: AutomationRow, template: Template, approval: ApprovalRow | None
    ) -> BoundManifest:
        if not row.manifest_digest:
            raise AlteredManifest(UNBOUND)
        if row.manifest_format not in FORMATS:
            raise AlteredManifest(
                f"its manifest is in format {row.manifest_format}, which this version does not know"
            )
        try:
            manifest = rebuild(db, row, template, approval)
            content = canonical(manifest.in_format(row.manifest_format))
        except (ValueError, msgspec.MsgspecError, RecursionError, FieldNotSupported) as error:
            facts = {"automation": row.id, "reason": str(error)}
            log.error("a stored automation cannot be read", extra=facts)  # noqa: TRY400
            raise AlteredManifest(UNREADABLE) from error
        if digest(content) != row.manifest_digest:
            raise AlteredManifest(ALTERED)
        if approval is not None and approval.manifest_digest != row.manifest_digest:
            raise AlteredManifest("what is stored is not what was approved")
        return BoundManifest(manifest, row.manifest_format, content)


def _covered(manifest_digest: str, manifest: Manifest) -> bytes:
    """Return what an automation's code covers.

    The manifest, and what one of format 1 does not say.
    """
    return f"{manifest_digest}\n{manifest.principal_id}\n{manifest.policy}".encode()


def _decided(approval: ApprovalRow, decision: DecisionRow) -> bytes:
    """Return what a decision's code covers.

    Who, who stands behind them, what of, when, how, and what exactly was shown. In the midst of a
    job also at which pause, and what was given with it; else the window in which they let it begin,
    if they named one.
    """
    at_pause = [approval.mac, decision.answer] if approval.kind is not ApprovalKind.RUN else []
    times = [to_text(at) if at else None for at in decision.window.times]
    window = [times] if any(times) else []
    return msgspec.json.encode(
        [
            approval.org_id,
            approval.id,
            approval.automation_id,
            approval.manifest_digest,
            decision.gate,
            decision.user_id,
            decision.principal,
            decision.verdict,
            decision.reason,
            decision.with_mfa,
            decision.elapsed_seconds,
            to_text(decision.decided_at),
            *at_pause,
            *window,
        ]
    )


def _question_bytes(row: ApprovalRow) -> bytes:
    """Return what a pause's code covers: of which job, where in it, when, and who decides."""
    return msgspec.json.encode(
        [
            row.org_id,
            row.id,
            row.automation_id,
            row.manifest_digest,
            row.kind,
            row.job_id,
            row.phase,
            row.fence,
            row.requester_id,
            row.policy,
            to_text(row.asked_at),
            row.asked_seq,
        ]
    )
