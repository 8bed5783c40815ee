"""Approval policies of an org: pushed as documents, kept as immutable numbered versions."""

from __future__ import annotations

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.access import Action
from opsicle.domain.errors import Problem
from opsicle.domain.policies import Approvers, Gate, Policy
from opsicle.domain.policy_parser import PolicyDocument, digest, without_seeds
from opsicle.domain.stored_json import CANNOT_BE_READ
from opsicle.domain.template_parser import parse_policy
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import Actor
from opsicle.server.access.document_lookup import get_document
from opsicle.server.documents.reading import DocumentReading
from opsicle.server.documents.versions import VersionDraft, add_version, delete, pusher_of
from opsicle.server.http.paging import page_of, position
from opsicle.server.identity.step_up import StepUp
from opsicle.server.policies.in_force import policy_of
from opsicle.server.policies.references import policy_warnings
from opsicle.server.store import documents
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.documents import DocumentKind, VersionRow
from opsicle.wire.pages import Page
from opsicle.wire.policy_api import PolicyPushed, PolicyVersion, PolicyVersionSummary

_POLICY = DocumentKind.POLICY


class Policies:
    """Who must agree before templates run.

    A change asks for a fresh code of those who have an authenticator app.
    """

    def __init__(self, database: Database, step_up: StepUp, clock: Clock) -> None:
        self._database = database
        self._step_up = step_up
        self._reading = DocumentReading(clock)
        self._clock = clock

    def push(self, actor: Actor, source: str) -> PolicyPushed:
        """Make a new version of the policy that the document names, or its first.

        If the newest version says the same already, nothing changes and that version is the answer.
        Raises InvalidInput with every mistake in the document, StepUpRequired.
        """
        self._step_up.require(actor, Action.POLICIES_MANAGE)
        document, kept = self._reading.read(actor.org_id, _read, source)
        policy, now = document.policy, self._clock.now()
        draft = VersionDraft(
            _POLICY, policy.name, digest(policy), kept, msgspec.json.encode(policy).decode()
        )
        applying = (
            {"applies_to": msgspec.to_builtins(policy.applies_to)} if policy.applies_to else {}
        )

        def work(db: Connection) -> tuple[int, bool, list[Problem]]:
            warnings = policy_warnings(db, actor.org_id, policy)
            newest = documents.find_newest(db, _POLICY, actor.org_id, policy.name)
            if newest and draft.is_same_as(newest):
                return newest.version, False, warnings
            return add_version(db, actor, draft, newest, now, applying), True, warnings

        version, is_new, warnings = self._database.write(work)
        return PolicyPushed(
            name=policy.name,
            version=version,
            digest=draft.digest,
            is_new=is_new,
            warnings=[*document.warnings, *warnings],
        )

    def list_policies(self, actor: Actor, cursor: str, limit: int) -> Page[PolicyVersionSummary]:
        """Return the org's policies by name, each in its newest version."""
        actor.require(Action.POLICIES_VIEW)
        rows = self._database.read(
            lambda db: documents.list_by_name(db, _POLICY, actor.org_id, cursor, limit + 1)
        )
        return page_of(rows, limit, _summary, lambda row: row.name)

    def get(self, actor: Actor, name: str, version: int | None = None) -> PolicyVersion:
        """Return one version of a policy whole, the newest unless told. Raises NotFound."""
        actor.require(Action.POLICIES_VIEW)
        return _whole(
            self._database.read(lambda db: get_document(db, _POLICY, actor.org_id, name, version))
        )

    def list_versions(
        self, actor: Actor, name: str, cursor: str, limit: int
    ) -> Page[PolicyVersionSummary]:
        """Return a policy's versions, newest first. Raises NotFound if there is no such policy."""
        actor.require(Action.POLICIES_VIEW)
        before = position(cursor)

        def query(db: Connection) -> list[VersionRow]:
            get_document(db, _POLICY, actor.org_id, name)
            return documents.list_versions(db, _POLICY, actor.org_id, name, before, limit + 1)

        return page_of(self._database.read(query), limit, _summary, lambda row: str(row.version))

    def delete(self, actor: Actor, name: str) -> None:
        """Take a policy out of use.

        Templates that name it can no longer run, nor can what it has let pass.

        Raises NotFound, StepUpRequired.
        """
        self._step_up.require(actor, Action.POLICIES_MANAGE)
        now = self._clock.now()

        self._database.write(lambda db: delete(db, actor, _POLICY, name, now))


def _read(source: str) -> tuple[PolicyDocument, str]:
    return parse_policy(source.encode()), without_seeds(source)


_CANNOT_BE_SHOWN = Policy(gates=(Gate(name=CANNOT_BE_READ, approvers=Approvers()),))


def _summary(row: VersionRow) -> PolicyVersionSummary:
    policy = stored_json.read_or(row.document, Policy, _CANNOT_BE_SHOWN)
    return PolicyVersionSummary(
        name=row.name,
        version=row.version,
        digest=row.digest,
        gates=[gate.name for gate in policy.gates],
        is_default=bool(policy.applies_to),
        pushed_by=pusher_of(row),
        pushed_at=row.pushed_at,
    )


def _whole(row: VersionRow) -> PolicyVersion:
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
    )
