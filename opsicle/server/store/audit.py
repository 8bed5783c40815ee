"""The record of who did what. Every writer appends in the transaction of the change itself.

A `verb` is the operator's word (`push`, `login`, `revoke`); a `resource` is what it was done to, as
the URL names it: `templates/restart-web`, `automations/<id>`, `workers/<id>`, `users/<id>`. `data`
is small and holds no secret.

Each org's entries form a hash chain, and so do those of no org (`org_id` ""); see `docs/audit.md`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import apsw
import msgspec

from opsicle.domain.audit_chain import NO_HASH, chain_of, entry_hash
from opsicle.kit.clock import from_text, to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_one, fetch_value, json_list, where


class Author(NamedTuple):
    """Who stands in an entry.

    `kind` is user, worker, system or anonymous; `channel` is how they came in.
    """

    kind: str
    id: str
    name: str
    channel: str
    address: str


class RecordedActor(Protocol):
    """Anyone on whose account something happens."""

    @property
    def author(self) -> Author:
        """How they stand in the record."""


class Entry(Row, frozen=True):
    """One line of the record; `seq` counts from 1 within the org, `data` is JSON."""

    seq: int
    at: datetime
    actor_kind: str
    actor_id: str
    actor_name: str
    channel: str
    address: str
    verb: str
    resource: str
    data: str


def append(  # noqa: PLR0913, PLR0917 - what an entry consists of
    db: apsw.Connection,
    at: datetime,
    org_id: str | None,
    actor: RecordedActor,
    verb: str,
    resource: str,
    data: Mapping[str, object] | None = None,
) -> None:
    """Add an entry to an org's chain; `org_id` None is for what belongs to no org.

    There is no other way into the record.
    """
    chain = org_id or ""
    seq, previous = head(db, chain)

    written = msgspec.json.encode(data or {}).decode()
    fields = (seq + 1, to_text(at), *actor.author, verb, resource, written)

    db.execute(
        """
        INSERT INTO audit_entries (org_id, seq, at, actor_kind, actor_id, actor_name, channel,
                                   address, verb, resource, data, hash)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        (chain, *fields, bytes.fromhex(entry_hash(chain_of(org_id), previous, fields))),
    )


def head(db: apsw.Connection, org_id: str) -> tuple[int, str]:
    """Return the number and the hash (hex) of the newest entry; 0 and zeros before the first.

    It takes one step down the index.
    """
    row = db.execute(
        "SELECT seq, hash FROM audit_entries WHERE org_id = ? ORDER BY seq DESC LIMIT 1", (org_id,)
    ).fetchone()
    return (row[0], row[1].hex()) if row else (0, NO_HASH)


def last_seq(db: apsw.Connection, org_id: str) -> int:
    """Return the number of the org's newest entry.

    What is asked in this transaction comes after every change that has an entry up to here.
    """
    return head(db, org_id)[0]


def next_seq(db: apsw.Connection, org_id: str) -> int:
    """Return the number that the next entry will have.

    That is a change's own entry, if its transaction asks before it appends it.
    """
    return head(db, org_id)[0] + 1


def list_heads(db: apsw.Connection) -> dict[str, tuple[int, str]]:
    """Return the head of every chain that has entries, by the org's id.

    It takes one step down the index for each.
    """
    chains = [str(org_id) for (org_id,) in db.execute("SELECT id FROM orgs UNION ALL SELECT ''")]
    heads = {org_id: head(db, org_id) for org_id in chains}
    return {org_id: found for org_id, found in heads.items() if found[0]}


class AuditFilter(NamedTuple):
    """Which entries are wanted; "" means any.

    `actor` is a name or an id, `resource` one thing or a kind of things. `since` and `until` are
    times as `clock.to_text` writes them, the second one exclusive.
    """

    verb: str = ""
    actor: str = ""
    resource: str = ""
    since: str = ""
    until: str = ""


_OF_JOBS = ("run", "start", "finish")
_RARE_VERB = "verb <> 'run' AND verb <> 'start' AND verb <> 'finish'"
_NO_AUTOMATION = "substr(resource, 1, 12) <> 'automations/'"
"""Said beside what is looked for, letter by letter as in the indexes of what is rare."""

_WITHIN = "(resource = :resource OR substr(resource, 1, length(:resource) + 1) = :resource || '/')"

_SELECT = """
    SELECT seq, at, actor_kind, actor_id, actor_name, channel, address, verb, resource, data
      FROM audit_entries
"""


def list_entries(
    db: apsw.Connection, org_id: str, wanted: AuditFilter, before_seq: int, limit: int
) -> list[Entry]:
    """Return an org's entries with a number below `before_seq`, newest first.

    By a verb of people, or by one thing that is no automation, it goes through an index; else it
    may go through all.
    """
    is_one_thing = "/" in wanted.resource and not wanted.resource.startswith("automations/")
    is_rare = bool(wanted.verb) and wanted.verb not in _OF_JOBS

    index = ""
    if is_one_thing:
        index = "INDEXED BY audit_entries_by_resource"
    elif is_rare:
        index = "INDEXED BY audit_entries_by_verb"

    which = where(
        "org_id = :org_id",
        "seq < :before_seq",
        wanted.resource and ("resource = :resource" if is_one_thing else _WITHIN),
        _NO_AUTOMATION if is_one_thing else "",
        wanted.verb and "verb = :verb",
        _RARE_VERB if is_rare and not is_one_thing else "",
        wanted.actor and "(actor_name = :actor COLLATE NOCASE OR actor_id = :actor)",
        wanted.since and "at >= :since",
        wanted.until and "at < :until",
    )
    given = {"org_id": org_id, "before_seq": before_seq, "limit": limit, **wanted._asdict()}
    return fetch_all(db, f"{_SELECT}{index}{which} ORDER BY seq DESC LIMIT :limit", given, Entry)


class ResourceName(Row, frozen=True):
    """What people call a resource of the record."""

    resource: str
    name: str


def list_names(db: apsw.Connection, org_id: str, resources: Sequence[str]) -> list[ResourceName]:
    """Return what people call those of the resources that stand in the record with an id."""
    return fetch_all(
        db,
        """
        WITH asked AS MATERIALIZED
             (SELECT value AS resource, substr(value, 1, instr(value, '/') - 1) AS kind,
                     substr(value, instr(value, '/') + 1) AS id
                FROM json_each(:resources))
        SELECT resource, a.template || ' version ' || a.version || coalesce(' on ' || m.name, '')
          FROM asked
         CROSS JOIN automations a ON a.id = asked.id
          LEFT JOIN fan_out_members m ON m.automation_id = a.id
         WHERE asked.kind = 'automations' AND a.org_id = :org_id
         UNION ALL
        SELECT resource, a.template || ' version ' || a.version
          FROM asked
         CROSS JOIN approvals p ON p.id = asked.id
         CROSS JOIN automations a ON a.id = p.automation_id
         WHERE asked.kind = 'approvals' AND p.org_id = :org_id
         UNION ALL
        SELECT resource, w.name
          FROM asked CROSS JOIN workers w ON w.id = asked.id
         WHERE asked.kind = 'workers' AND w.org_id = :org_id
         UNION ALL
        SELECT resource, coalesce(u.former_email, u.email)
          FROM asked CROSS JOIN users u ON u.id = asked.id
         WHERE asked.kind = 'users'
         UNION ALL
        SELECT resource, i.email
          FROM asked CROSS JOIN invitations i ON i.id = asked.id
         WHERE asked.kind = 'invitations' AND i.org_id = :org_id
         UNION ALL
        SELECT resource, a.template || ' version ' || a.version || ' on ' || m.name
          FROM asked
         CROSS JOIN fan_out_members m
            ON m.parent_id = substr(asked.id, 1, instr(asked.id, '/') - 1)
           AND m.position = CAST(substr(asked.id, instr(asked.id, '/') + 1) AS INTEGER)
         CROSS JOIN automations a ON a.id = m.parent_id
         WHERE asked.kind = 'fan-outs' AND m.org_id = :org_id
        """,
        {"org_id": org_id, "resources": json_list(resources)},
        ResourceName,
    )


class LifecycleEntry(Row, frozen=True):
    """An entry about a beginning, an end or a decision; `data` is JSON."""

    verb: str
    data: str


def list_decisive(db: apsw.Connection, org_id: str, resource: str) -> list[LifecycleEntry]:
    """Return what an org's record says of how something began, ended or was decided on, in order.

    Without being told, SQLite would take the primary key, and so all of the org's record. The verbs
    stand as in the index, to the letter.
    """
    return fetch_all(
        db,
        """
        SELECT verb, data
          FROM audit_entries INDEXED BY audit_entries_decisive
         WHERE org_id = :org_id AND resource = :resource
           AND (verb = 'start' OR verb = 'finish' OR verb = 'approve' OR verb = 'bind'
                OR verb = 'cancel' OR verb = 'expire' OR verb = 'lose' OR verb = 'pause'
                OR verb = 'plan' OR verb = 'refuse' OR verb = 'refuse_order' OR verb = 'reject'
                OR verb = 'requeue' OR verb = 'return' OR verb = 'withdraw')
         ORDER BY seq
        """,
        {"org_id": org_id, "resource": resource},
        LifecycleEntry,
    )


def find_push(
    db: apsw.Connection, org_id: str, resource: str, version: int | None = None
) -> LifecycleEntry | None:
    """Return the newest entry about a push or a removal of a template or policy, or None.

    With a `version`, return the newest entry about a push of that one. The index is named for the
    reason given at `list_decisive`.
    """
    return fetch_one(
        db,
        """
        SELECT verb, data
          FROM audit_entries INDEXED BY audit_entries_by_resource
         WHERE org_id = :org_id
           AND resource = :resource
           AND substr(resource, 1, 12) <> 'automations/'
           AND verb IN ('push', 'delete')
           AND (:version IS NULL OR (verb = 'push' AND data ->> '$.version' = :version))
         ORDER BY seq DESC LIMIT 1
        """,
        {"org_id": org_id, "resource": resource, "version": version},
        LifecycleEntry,
    )


def find_drafting(
    db: apsw.Connection, org_id: str, resource: str, draft_id: str | None = None
) -> LifecycleEntry | None:
    """Return the entry about a draft of a template, the newest unless told, or None.

    The index is named for the reason given at `list_decisive`.
    """
    return fetch_one(
        db,
        """
        SELECT verb, data
          FROM audit_entries INDEXED BY audit_entries_by_resource
         WHERE org_id = :org_id
           AND resource = :resource
           AND substr(resource, 1, 12) <> 'automations/'
           AND verb = 'draft'
           AND (:draft_id IS NULL OR data ->> '$.draft' = :draft_id)
         ORDER BY seq DESC LIMIT 1
        """,
        {"org_id": org_id, "resource": resource, "draft_id": draft_id},
        LifecycleEntry,
    )


def read_chain(
    db: apsw.Connection, org_id: str, after_seq: int, limit: int = -1
) -> Iterator[tuple[Any, ...]]:
    """Return an org's entries as they were hashed, in order, from the one after `after_seq`.

    The last column is the hash.
    """
    return db.execute(
        """
        SELECT seq, at, actor_kind, actor_id, actor_name, channel, address, verb, resource, data,
               lower(hex(hash))
          FROM audit_entries
         WHERE org_id = :org_id AND seq > :after_seq
         ORDER BY seq
         LIMIT :limit
        """,
        {"org_id": org_id, "after_seq": after_seq, "limit": limit},
    )


def find_first_since(db: apsw.Connection, org_id: str, at: datetime) -> int | None:
    """Return the number of the oldest entry that is not older than this, or None."""
    sql = "SELECT seq FROM audit_entries WHERE org_id = :org_id AND at >= :at ORDER BY seq LIMIT 1"
    seq = fetch_value(db, sql, {"org_id": org_id, "at": to_text(at)})
    return None if seq is None else int(seq)


def find_first(db: apsw.Connection, org_id: str) -> tuple[int, datetime] | None:
    """Return the number and the time of an org's oldest entry, or None.

    The number is above 1 if retention has removed those before it.
    """
    sql = "SELECT seq, at FROM audit_entries WHERE org_id = :org_id ORDER BY seq LIMIT 1"
    row = db.execute(sql, {"org_id": org_id}).fetchone()
    return (row[0], from_text(row[1])) if row else None


def get_hash(db: apsw.Connection, org_id: str, seq: int) -> str:
    """Return an entry's hash in hex."""
    return str(find_hash(db, org_id, seq))


def find_hash(db: apsw.Connection, org_id: str, seq: int) -> str | None:
    """Return an entry's hash in hex, or None if there is no such entry."""
    sql = "SELECT lower(hex(hash)) FROM audit_entries WHERE org_id = :org_id AND seq = :seq"
    found = fetch_value(db, sql, {"org_id": org_id, "seq": seq})
    return None if found is None else str(found)


def delete_up_to(db: apsw.Connection, org_id: str, seq: int) -> None:
    """Remove the oldest entries.

    A trigger refuses it beyond what the newest checkpoint states as removed.
    """
    db.execute(
        "DELETE FROM audit_entries WHERE org_id = :org_id AND seq <= :seq",
        {"org_id": org_id, "seq": seq},
    )
