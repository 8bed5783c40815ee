"""Pushing and deleting a document: each push that says something new makes the next version."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from opsicle.domain.errors import Conflict, NotFound, VersionConflict
from opsicle.kit.ids import new_id
from opsicle.server.access.actor import Actor
from opsicle.server.access.document_lookup import document_not_found
from opsicle.server.store import audit, documents, users
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import DocumentKind, NewestRow, NewVersionRow, VersionRow
from opsicle.server.store.templates import VersionSummaryRow
from opsicle.wire.user_api import Person

_MAX_DIGITS = 9


class VersionDraft(msgspec.Struct, frozen=True):
    """What is to become a version.

    `source` as it was pushed, `document` what was read of it, as JSON. `message` says why.
    """

    kind: DocumentKind
    name: str
    digest: str
    source: str
    document: str
    message: str = ""

    @classmethod
    def of(
        cls,
        kind: DocumentKind,
        name: str,
        digest: str,
        source: str,
        document: msgspec.Struct,
        message: str = "",
    ) -> VersionDraft:
        """Return the draft of a document that has been read."""
        content = msgspec.json.encode(document).decode()
        return cls(kind, name, digest, source, content, message.strip())

    def is_same_as(self, newest: NewestRow | None) -> bool:
        """Return whether the newest version says the same already."""
        return newest is not None and newest.digest == self.digest

    def conflict(self) -> Conflict:
        """Return the error for a document that somebody else has changed meanwhile."""
        return Conflict(f"the {self.kind} {self.name} changed meanwhile", hint="Push again.")


def push_version(
    db: Connection,
    actor: Actor,
    draft: VersionDraft,
    now: datetime,
    recorded: Mapping[str, object],
    most: int | None = None,
) -> tuple[int, bool]:
    """Make a draft the newest version unless that says the same; return its number, if it is new.

    `recorded` stands in the record beside number and digest. Raises Conflict where an org has as
    many documents of the kind already as it may have (`most`).
    """
    newest = documents.find_newest(db, draft.kind, actor.org_id, draft.name)
    if newest and draft.is_same_as(newest):
        return newest.version, False
    if newest is None and most is not None:
        require_room(db, draft.kind, actor.org_id, most)
    return add_version(db, actor, draft, newest, now, recorded), True


def require_newest(
    db: Connection, kind: DocumentKind, org_id: str, name: str, expected: int
) -> None:
    """Raise VersionConflict unless this is the newest version; 0: there is none."""
    row = documents.find(db, kind, org_id, name)
    newest = row.version if row else 0
    if newest == expected:
        return
    if row is None:
        raise VersionConflict(
            f"there is no {kind} {name} any more", hint="Push without an expected version."
        )
    why = f" ({row.message})" if row.message else ""
    raise VersionConflict(
        f"version {newest} of {name} has been pushed by {row.pusher_email}{why}; "
        f"expected was {expected or 'none'}",
        hint=f"Compare it with version {newest}, and push again with that as the expected version.",
    )


def require_room(db: Connection, kind: DocumentKind, org_id: str, most: int) -> None:
    """Raise Conflict where an org has as many documents of a kind already as it may have."""
    if documents.count(db, kind, org_id) >= most:
        raise Conflict(
            f"the org has {most} {kind.plural}, and may have no more",
            hint="Delete one that is needed no longer.",
        )


def add_version(
    db: Connection,
    actor: Actor,
    draft: VersionDraft,
    newest: NewestRow | None,
    now: datetime,
    recorded: Mapping[str, object],
) -> int:
    """Make a draft the version after the newest, or the first, and return its number.

    `recorded` stands in the record beside number and digest. Raises Conflict if someone was first.
    """
    kind, org_id = draft.kind, actor.org_id
    document_id = newest.document_id if newest else new_id(now)
    version = newest.version + 1 if newest else 1
    row = NewVersionRow(
        document_id,
        version,
        draft.digest,
        draft.source,
        draft.document,
        actor.user_id,
        now,
        draft.message,
    )

    if newest is None:
        documents.insert(db, kind, org_id, document_id, draft.name, now)
    documents.insert_version(db, kind, org_id, row)
    if not documents.advance(db, kind, document_id, version, now):
        raise draft.conflict()

    data = {"version": version, "digest": draft.digest, **recorded}
    if draft.message:
        data["message"] = draft.message
    audit.append(db, now, org_id, actor, "push", f"{kind.plural}/{draft.name}", data)
    return version


def delete(
    db: Connection,
    actor: Actor,
    kind: DocumentKind,
    name: str,
    now: datetime,
    recorded: Mapping[str, object] | None = None,
) -> None:
    """Take a document out of use and free its name. Raises NotFound."""
    if not documents.delete(db, kind, actor.org_id, name, now):
        raise document_not_found(kind, name)
    audit.append(db, now, actor.org_id, actor, "delete", f"{kind.plural}/{name}", recorded)


def pusher_of(row: VersionRow | VersionSummaryRow) -> Person:
    """Return who has pushed a version."""
    return Person(row.pusher_id, row.pusher_email, row.pusher_name)


def person_of(db: Connection, user_id: str) -> Person:
    """Return somebody by id, nameless if they are gone."""
    user = users.find(db, user_id)
    return Person(user.id, user.email, user.name) if user else Person(user_id, "", "")


def number_in(kind: DocumentKind, name: str, text: str) -> int:
    """Read a version's number in a path. Raises NotFound for what is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise NotFound(
            f"there is no version {text} of a {kind} {name}", hint="A version is a number."
        )
    return int(text)
