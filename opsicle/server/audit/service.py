"""Reading the record of who did what.

In lists, as an export, and to check that it is as it was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.access import Action
from opsicle.domain.stored_json import CANNOT_BE_READ
from opsicle.kit.clock import Clock
from opsicle.security import audit_record
from opsicle.security.audit_key import AuditPublicKey
from opsicle.server.access.actor import Actor
from opsicle.server.audit.checkpoints import AuditCheckpoints
from opsicle.server.http.paging import page_of, position
from opsicle.server.org_limits import ConcurrencyLimit
from opsicle.server.store import audit, audit_checkpoints, audit_epochs
from opsicle.server.store.audit import AuditFilter, Entry
from opsicle.server.store.audit_epochs import EpochStart
from opsicle.server.store.database import Connection, Database
from opsicle.wire.audit import (
    FORMAT,
    FORMAT_WITH_GAPS,
    AuditEntry,
    AuditVerdict,
    Checkpoint,
    ExportedEntry,
    Header,
    Signed,
)
from opsicle.wire.pages import Page

_MOST_EXPORTS = 3
_EXPORTED_AT_ONCE = 2_000
"""Entries in one piece of an export, about half a MiB."""


class Audit:
    """An org's record."""

    def __init__(
        self,
        database: Database,
        checkpoints: AuditCheckpoints,
        public_key: AuditPublicKey,
        clock: Clock,
    ) -> None:
        self._database = database
        self._checkpoints = checkpoints
        self._clock = clock
        self._exports = ConcurrencyLimit("exports", _MOST_EXPORTS)
        self.public_key = public_key

    def list_entries(
        self, actor: Actor, wanted: AuditFilter, cursor: str, limit: int
    ) -> Page[AuditEntry]:
        """Return the org's entries that are wanted, newest first.

        Several verbs have commas between them.
        """
        actor.require(Action.AUDIT_VIEW)
        before = position(cursor)
        # What is filtered may be rare, and the search for it long.

        def query(db: Connection) -> tuple[list[Entry], dict[str, str], list[EpochStart]]:
            of_each = [
                audit.list_entries(db, actor.org_id, wanted._replace(verb=verb), before, limit + 1)
                for verb in set(filter(None, wanted.verb.split(","))) or {""}
            ]
            found = sorted(chain.from_iterable(of_each), key=lambda row: row.seq, reverse=True)
            found = found[: limit + 1]
            named = audit.list_names(db, actor.org_id, list({row.resource for row in found}))
            starts = audit_epochs.list_starts(db, actor.org_id)
            return found, {each.resource: each.name for each in named}, starts

        rows, names, starts = (
            self._database.read_long(query, actor.org_id)
            if any(wanted)
            else self._database.read(query)
        )
        return page_of(
            rows, limit, lambda row: _shown(row, names, starts), lambda row: str(row.seq)
        )

    def export(self, actor: Actor) -> Iterator[bytes]:
        """Return the org's whole record as lines of an export, signed to its end beforehand.

        Raises TooManyRequests while too many of the org's are under way.
        """
        actor.require(Action.AUDIT_VIEW)
        self._exports.check(actor.org_id)
        self._checkpoints.sign_export(actor.org_id)
        signed = self._database.read_long(
            lambda db: audit_checkpoints.list_all(db, actor.org_id), actor.org_id
        )

        has_gaps = not all(isinstance(each, Checkpoint) for each in signed)
        header = Header(
            format=FORMAT_WITH_GAPS if has_gaps else FORMAT,
            chain=actor.org_id,
            org=actor.org_code,
            exported_at=self._clock.now(),
            public_key=self.public_key.pem,
            fingerprint=self.public_key.fingerprint,
        )
        return self._lines(actor.org_id, header, signed)

    def verify(self, actor: Actor) -> AuditVerdict:
        """Check the org's whole record.

        Takes seconds for a million entries, and holds nobody up meanwhile.
        """
        actor.require(Action.AUDIT_VIEW)
        return self._database.read_long(lambda db: self._verify(db, actor.org_id), actor.org_id)

    def _verify(self, db: Connection, org_id: str) -> AuditVerdict:
        signed = audit_checkpoints.list_all(db, org_id)
        return audit_record.verify(org_id, self.public_key, signed, audit.read_chain(db, org_id, 0))

    def _lines(self, org_id: str, header: Header, signed: list[Signed]) -> Iterator[bytes]:
        encode = msgspec.json.Encoder().encode_lines
        last = next((each for each in reversed(signed) if isinstance(each, Checkpoint)), None)
        seq, end = (last.removed_to, last.seq) if last else (0, 0)

        def piece(db: Connection) -> tuple[int, bytes]:
            limit = min(_EXPORTED_AT_ONCE, end - seq)
            entries = [ExportedEntry(*row) for row in audit.read_chain(db, org_id, seq, limit)]
            return (entries[-1].seq if entries else end), encode(entries)

        with self._exports.slot(org_id):
            yield encode([header, *signed])
            while seq < end:
                seq, lines = self._database.read_long(piece, org_id)
                yield lines


_MOST_SHOWN = 1_000
"""Characters of what was altered beyond reading."""


def _shown(row: Entry, names: Mapping[str, str], starts: Sequence[EpochStart]) -> AuditEntry:
    return AuditEntry(
        epoch=audit_epochs.epoch_of(row.seq, starts),
        seq=row.seq,
        at=row.at,
        actor_kind=row.actor_kind,
        actor_id=row.actor_id,
        actor_name=row.actor_name,
        channel=row.channel,
        address=row.address,
        verb=row.verb,
        resource=row.resource,
        data=stored_json.read_or(
            row.data, dict[str, object], {CANNOT_BE_READ: row.data[:_MOST_SHOWN]}
        ),
        about=names.get(row.resource, ""),
    )
