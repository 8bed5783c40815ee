"""Targets of an org: pushed as documents, kept as immutable numbered versions."""

from __future__ import annotations

from functools import partial

import msgspec

from opsicle.domain.access import Action
from opsicle.domain.errors import Conflict, Problem
from opsicle.domain.rules import NamedResource
from opsicle.domain.targets import MOST_TARGETS, Target, digest
from opsicle.domain.template_parser import parse_target
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import Actor
from opsicle.server.documents.reading import DocumentReading
from opsicle.server.documents.versions import VersionDraft, add_version, delete, require_room
from opsicle.server.http.paging import page_of, position
from opsicle.server.store import documents, secrets
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.documents import DocumentKind, NewestRow, VersionRow
from opsicle.server.targets.views import shown, whole
from opsicle.server.targets.visible import is_hidden, resource_of, visible_target
from opsicle.wire.pages import Page
from opsicle.wire.target_api import (
    PushTargetRequest,
    TargetPushed,
    TargetSummary,
    TargetVersion,
)

_TARGET = DocumentKind.TARGET


class Targets:
    """The systems that an org's jobs act on over SSH.

    A rule about a label is asked for what a target has and for what it is to have, so that pushing
    other labels is no way around it. A target that is hidden from somebody does not exist for them.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._reading = DocumentReading(clock)
        self._clock = clock

    def push(self, actor: Actor, request: PushTargetRequest) -> TargetPushed:
        """Make a new version of the target that the document names, or its first.

        If the newest version says the same already, nothing changes and that version is the answer.
        To name a secret as its credential takes the right to see the org's secrets. Raises
        InvalidInput with every mistake in the document, NotAllowed, Conflict for one target too
        many, or where what there is is not what the caller expects.
        """
        actor.require(Action.TARGETS_MANAGE)
        actor.require(Action.SECRETS_VIEW)
        target = self._reading.read(
            actor.org_id, lambda text: parse_target(text.encode()), request.source
        )
        draft = VersionDraft(
            _TARGET,
            target.name,
            digest(target),
            request.source,
            msgspec.json.encode(target).decode(),
        )
        now = self._clock.now()

        def work(db: Connection) -> TargetPushed:
            newest = documents.find_newest(db, _TARGET, actor.org_id, target.name)
            _require_push(db, actor, target)
            _require_expected(target.name, newest, request.expected_version)
            is_new = newest is None or not draft.is_same_as(newest)
            version = newest.version if newest else 0
            if is_new:
                if newest is None:
                    require_room(db, _TARGET, actor.org_id, MOST_TARGETS)
                recorded = {"host": target.host, "user": target.user, "secret": target.secret}
                version = add_version(db, actor, draft, newest, now, recorded)
            return TargetPushed(
                name=target.name,
                version=version,
                digest=draft.digest,
                is_new=is_new,
                warnings=_warnings(db, actor.org_id, target),
            )

        return self._database.write(work)

    def list_targets(self, actor: Actor, cursor: str, limit: int) -> Page[TargetSummary]:
        """Return the org's targets by name, each in its newest version."""
        actor.require(Action.TARGETS_VIEW)
        rows = self._database.read(
            lambda db: documents.list_by_name(db, _TARGET, actor.org_id, cursor, limit + 1)
        )
        return page_of(rows, limit, shown, lambda row: row.name, partial(is_hidden, actor))

    def get(self, actor: Actor, name: str, version: int | None = None) -> TargetVersion:
        """Return one version of a target whole, the newest unless told. Raises NotFound."""
        actor.require(Action.TARGETS_VIEW)
        return whole(self._database.read(lambda db: visible_target(db, actor, name, version)))

    def list_versions(
        self, actor: Actor, name: str, cursor: str, limit: int
    ) -> Page[TargetSummary]:
        """Return a target's versions, newest first. Raises NotFound if there is no such target."""
        actor.require(Action.TARGETS_VIEW)
        before = position(cursor)

        def query(db: Connection) -> list[VersionRow]:
            visible_target(db, actor, name)
            return documents.list_versions(db, _TARGET, actor.org_id, name, before, limit + 1)

        return page_of(
            self._database.read(query),
            limit,
            shown,
            lambda row: str(row.version),
            partial(is_hidden, actor),
        )

    def delete(self, actor: Actor, name: str) -> None:
        """Take a target out of use.

        What was to run on it and has not begun will not. Raises NotFound, NotAllowed.
        """
        actor.require(Action.TARGETS_MANAGE)
        now = self._clock.now()

        def work(db: Connection) -> None:
            row = visible_target(db, actor, name)
            actor.require(Action.TARGETS_MANAGE, resource_of(row.name, row.document))
            delete(db, actor, _TARGET, name, now)

        self._database.write(work)


def _require_push(db: Connection, actor: Actor, target: Target) -> None:
    """Raise NotAllowed unless the actor may change the target as it is, and as it is to be."""
    actor.require(Action.TARGETS_MANAGE, NamedResource(target.name, target.labels))
    row = documents.find(db, _TARGET, actor.org_id, target.name)
    if row is not None:
        actor.require(Action.TARGETS_MANAGE, resource_of(row.name, row.document))


def _require_expected(
    name: str, newest: NewestRow | None, expected: int | msgspec.UnsetType
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
