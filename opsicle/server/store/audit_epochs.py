"""In which epoch of the server each entry of a record was written.

After a restore the numbers of entries that were lost are given out again, so that an entry is named
by its epoch and its number together. The record itself says where an epoch begins: by the entry
`accept_restored`, and by `import_org` where it comes from another server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import apsw

from opsicle.domain import stored_json
from opsicle.server.store import epochs


class EpochStart(NamedTuple):
    """From which entry of a record on an epoch counts."""

    seq: int
    epoch: int


def list_starts(db: apsw.Connection, org_id: str) -> list[EpochStart]:
    """Return where the epochs of an org's record begin, newest first; the last one holds from 0.

    Goes through an index, to entries of which each restore makes one.
    """
    rows = db.execute(
        """
        SELECT seq, verb, data
          FROM audit_entries INDEXED BY audit_entries_by_verb
         WHERE org_id = :org_id AND verb IN ('accept_restored', 'import_org')
           AND verb <> 'run' AND verb <> 'start' AND verb <> 'finish'
        """,
        {"org_id": org_id},
    )
    current = epochs.find(db)

    epoch, starts = current.number if current else 1, []
    for seq, verb, data in sorted(rows, reverse=True):
        said = stored_json.read_or(str(data), dict[str, object], {})
        is_restore = verb == "accept_restored"
        epoch = _number(said, "epoch", epoch) if is_restore else epoch
        starts.append(EpochStart(int(str(seq)), epoch))
        epoch = _number(said, "epoch_before", max(1, epoch - 1) if is_restore else 1)
    return [*starts, EpochStart(0, epoch)]


def _number(said: Mapping[str, object], name: str, otherwise: int) -> int:
    found = said.get(name)
    return found if isinstance(found, int) else otherwise


def epoch_of(seq: int, starts: Sequence[EpochStart]) -> int:
    """Return the epoch in which the entry of a number was written."""
    return next((start.epoch for start in starts if start.seq <= seq), starts[-1].epoch)
