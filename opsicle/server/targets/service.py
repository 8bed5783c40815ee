"""Targets of an org: pushed as documents, kept as immutable numbered versions."""

from __future__ import annotations

import msgspec

from opsicle.domain.access import Action
from opsicle.domain.errors import Conflict, NotAllowed, Problem
from opsicle.domain.rules import NamedResource
from opsicle.domain.targets import MOST_TARGETS, Target, digest
from opsicle.domain.template_parser import parse_target
from opsicle.server.access.actor import Actor
from opsicle.server.documents.service import VersionedDocuments
from opsicle.server.documents.versions import VersionDraft, delete, push_version
from opsicle.server.store import documents, secrets
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import DocumentKind, VersionRow
from opsicle.server.targets.views import shown, whole
from opsicle.server.targets.visible import is_hidden, resource_of
from opsicle.wire.document_api import DocumentPushed
from opsicle.wire.target_api import PushTargetRequest, TargetSummary, TargetVersion

_TARGET = DocumentKind.TARGET


class Targets(VersionedDocuments[TargetSummary, TargetVersion]):
    """The systems that an org's jobs act on over SSH.

    A rule about a label is asked for what a target has and for what it is to have, so that pushing
    other labels is no way around it. A target that is hidden from somebody does not exist for them.
    """

    kind = _TARGET
    view = Action.TARGETS_VIEW

    def push(self, actor: Actor, request: PushTargetRequest) -> DocumentPushed:
        """Make a new version of the target that the document names, or its first.

        If the newest version says the same already, nothing changes and that version is the answer.
        To name a secret as its credential takes the right to see the org's secrets. Raises
        InvalidInput with every mistake in the document, NotAllowed, Conflict for one target too
        many, or where what there is is not what the caller expects.
        """
        actor.require(Action.TARGETS_MANAGE)
        source = request.source
        target = self._reading.read(actor.org_id, lambda text: parse_target(text.encode()), source)
        _require_naming(actor, target.secret)
        draft = VersionDraft.of(
            _TARGET, target.name, digest(target), source, target, request.message
        )
        recorded = {"host": target.host, "user": target.user, "secret": target.secret}
        now = self._clock.now()

        def work(db: Connection) -> DocumentPushed:
            before = documents.find(db, _TARGET, actor.org_id, target.name)
            _require_push(actor, target, before)
            _require_expected(target.name, before, request.expected_version)
            version, is_new = push_version(db, actor, draft, now, recorded, MOST_TARGETS)
            return DocumentPushed(
                name=target.name,
                version=version,
                digest=draft.digest,
                is_new=is_new,
                warnings=_warnings(db, actor.org_id, target),
            )

        return self._database.write(work)

    def delete(self, actor: Actor, name: str) -> None:
        """Take a target out of use.

        What was to run on it and has not begun will not. Raises NotFound, NotAllowed.
        """
        actor.require(Action.TARGETS_MANAGE)
        now = self._clock.now()

        def work(db: Connection) -> None:
            row = self._visible(db, actor, name)
            actor.require(Action.TARGETS_MANAGE, resource_of(row.name, row.document))
            delete(db, actor, _TARGET, name, now)

        self._database.write(work)

    def _summary(self, _db: Connection, _actor: Actor, row: VersionRow) -> TargetSummary:
        return shown(row)

    def _whole(self, _db: Connection, _actor: Actor, row: VersionRow) -> TargetVersion:
        return whole(row)

    def _is_hidden(self, _db: Connection, actor: Actor, row: VersionRow) -> bool:
        return is_hidden(actor, row)


def _require_naming(actor: Actor, secret: str) -> None:
    """Raise NotAllowed unless the actor may say where a secret of the org is used."""
    if not actor.may(Action.SECRETS_VIEW):
        raise NotAllowed(
            f"you may not name the secret {secret} as a credential: "
            "that takes more than you may yourself (view secrets)",
            hint="Ask an admin of your org.",
        )


def _require_push(actor: Actor, target: Target, before: VersionRow | None) -> None:
    """Raise NotAllowed unless the actor may change the target as it is, and as it is to be."""
    actor.require(Action.TARGETS_MANAGE, NamedResource(target.name, target.labels))
    if before is not None:
        actor.require(Action.TARGETS_MANAGE, resource_of(before.name, before.document))


def _require_expected(
    name: str, newest: VersionRow | None, expected: int | msgspec.UnsetType
) -> None:
    """Raise Conflict unless the newest version is the one that the caller expects, if any."""
    there = newest.version if newest else 0
    if isinstance(expected, msgspec.UnsetType) or expected == there:
        return
    if expected == 0:
        raise Conflict(
            f"there is a target {name} already",
            hint=f"`opsicle targets update {name}` changes it.",
        )
    raise Conflict(
        f"the target {name} changed meanwhile: version {there} is its newest"
        if there
        else f"the target {name} was deleted meanwhile",
        hint="Look at it, and try again.",
    )


def _warnings(db: Connection, org_id: str, target: Target) -> list[Problem]:
    if target.secret in secrets.list_names(db, org_id):
        return []
    message = f"there is no secret {target.secret} yet; nothing can run on this target until then"
    return [Problem("spec.credential.secret", message)]
