"""Approval policies of an org: pushed as documents, kept as immutable numbered versions."""

from __future__ import annotations

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.access import Action
from opsicle.domain.policies import Approvers, Gate, Policy
from opsicle.domain.policy_parser import PolicyDocument, digest, without_seeds
from opsicle.domain.stored_json import CANNOT_BE_READ
from opsicle.domain.template_parser import parse_policy
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import Actor
from opsicle.server.documents.service import VersionedDocuments
from opsicle.server.documents.versions import VersionDraft, delete, push_version, pusher_of
from opsicle.server.identity.step_up import StepUp
from opsicle.server.policies.in_force import policy_of
from opsicle.server.policies.references import policy_warnings
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.documents import DocumentKind, VersionRow
from opsicle.wire.document_api import DocumentPushed
from opsicle.wire.policy_api import PolicyVersion, PolicyVersionSummary

_POLICY = DocumentKind.POLICY
_CANNOT_BE_SHOWN = Policy(gates=(Gate(name=CANNOT_BE_READ, approvers=Approvers()),))


class Policies(VersionedDocuments[PolicyVersionSummary, PolicyVersion]):
    """Who must agree before templates run.

    A change asks for a fresh code of those who have an authenticator app.
    """

    kind = _POLICY
    view = Action.POLICIES_VIEW

    def __init__(self, database: Database, step_up: StepUp, clock: Clock) -> None:
        super().__init__(database, clock)
        self._step_up = step_up

    def push(self, actor: Actor, source: str, message: str = "") -> DocumentPushed:
        """Make a new version of the policy that the document names, or its first.

        If the newest version says the same already, nothing changes and that version is the answer.
        Raises InvalidInput with every mistake in the document, StepUpRequired.
        """
        self._step_up.require(actor, Action.POLICIES_MANAGE)
        document, kept = self._reading.read(actor.org_id, _read, source)
        policy, now = document.policy, self._clock.now()
        draft = VersionDraft.of(_POLICY, policy.name, digest(policy), kept, policy, message)
        applying = (
            {"applies_to": msgspec.to_builtins(policy.applies_to)} if policy.applies_to else {}
        )

        def work(db: Connection) -> DocumentPushed:
            warnings = policy_warnings(db, actor.org_id, policy)
            version, is_new = push_version(db, actor, draft, now, applying)
            return DocumentPushed(
                name=policy.name,
                version=version,
                digest=draft.digest,
                is_new=is_new,
                warnings=[*document.warnings, *warnings],
            )

        return self._database.write(work)

    def delete(self, actor: Actor, name: str) -> None:
        """Take a policy out of use.

        Templates that name it can no longer run, nor can what it has let pass.

        Raises NotFound, StepUpRequired.
        """
        self._step_up.require(actor, Action.POLICIES_MANAGE)
        now = self._clock.now()

        self._database.write(lambda db: delete(db, actor, _POLICY, name, now))

    def _summary(self, _db: Connection, _actor: Actor, row: VersionRow) -> PolicyVersionSummary:
        policy = stored_json.read_or(row.document, Policy, _CANNOT_BE_SHOWN)
        return PolicyVersionSummary(
            name=row.name,
            version=row.version,
            digest=row.digest,
            gate_names=[gate.name for gate in policy.gates],
            is_default=bool(policy.applies_to),
            pushed_by=pusher_of(row),
            pushed_at=row.pushed_at,
            message=row.message,
        )

    def _whole(self, _db: Connection, _actor: Actor, row: VersionRow) -> PolicyVersion:
        policy = policy_of(row)
        return PolicyVersion(
            name=row.name,
            version=row.version,
            latest_version=row.latest_version,
            digest=row.digest,
            order=policy.order,
            gates=list(policy.gates),
            applies_to=list(policy.applies_to),
            source=row.source,
            pushed_by=pusher_of(row),
            pushed_at=row.pushed_at,
            message=row.message,
        )


def _read(source: str) -> tuple[PolicyDocument, str]:
    return parse_policy(source.encode()), without_seeds(source)
