"""Whether a stored template or policy is what somebody pushed, by what the record says of that.

A version never changes, and a trigger of the database says so; but whoever writes to the database
can drop that, edit a policy's gates or a template's commands, or make an older version the newest.
The record's entry of each push has the number and the digest, and cannot be changed without a
trace.
"""

from __future__ import annotations

import hashlib

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.errors import Conflict
from opsicle.domain.templates import DRAFT
from opsicle.server.store import audit
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import DocumentKind, VersionRow


class _Pushed(msgspec.Struct):
    version: int = 0
    digest: str = ""


_UNREADABLE = _Pushed(digest="an entry that cannot be read")
"""Is no version's and no document's."""


def require_as_pushed(db: Connection, kind: DocumentKind, org_id: str, row: VersionRow) -> None:
    """Raise Conflict unless this version, and the newest, are what was pushed.

    What the record does not know any more, or never did, is believed; a draft never was pushed.
    """
    if DRAFT in {row.version, row.latest_version}:
        raise _altered(kind, row.name)
    resource = f"{kind.plural}/{row.name}"
    newest = audit.find_push(db, org_id, resource)
    if newest is None:
        return

    last = stored_json.read_or(newest.data, _Pushed, _UNREADABLE)
    is_newest_there = newest.verb == "push" and last.version == row.latest_version
    is_newest = row.version == row.latest_version
    entry = newest if is_newest else audit.find_push(db, org_id, resource, row.version)
    recorded = stored_json.read_or(entry.data, _Pushed, _UNREADABLE) if entry else None

    if not is_newest_there or (recorded and recorded.digest != stored_digest(row.document)):
        raise _altered(kind, row.name)


def require_as_drafted(db: Connection, org_id: str, row: VersionRow) -> None:
    """Raise Conflict unless the draft of a template is what was to be tried.

    Unlike a version, one that the record does not know is refused: each was recorded as it was
    kept, and what is older than the record can be tried anew.
    """
    kind = DocumentKind.TEMPLATE
    entry = audit.find_drafting(db, org_id, f"{kind.plural}/{row.name}", row.document_id)
    recorded = stored_json.read_or(entry.data, _Pushed, _UNREADABLE) if entry else None
    if recorded is None:
        raise Conflict(
            f"the record does not know the draft {row.document_id}",
            hint="Try the template again in the editor.",
        )
    if recorded.digest != stored_digest(row.document):
        raise _altered(kind, row.name)


def _altered(kind: DocumentKind, name: str) -> Conflict:
    return Conflict(
        f"what is stored of the {kind} {name} is not what was pushed",
        hint="Somebody has written to the database: "
        "look into `opsicle audit list`, then push a new version.",
    )


def stored_digest(document: str) -> str:
    """Return the digest of a stored document, as its push has recorded it.

    It was made without knowing the document's fields, so it stays the same for good.

    "" for one that is no JSON.
    """
    try:
        content = msgspec.json.encode(msgspec.json.decode(document), order="sorted")
    except (ValueError, msgspec.MsgspecError):
        return ""
    return "sha256:" + hashlib.sha256(content).hexdigest()
