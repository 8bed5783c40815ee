"""Sealing the seeds of people's authenticator apps under another key."""

from __future__ import annotations

from contextlib import suppress

from opsicle.domain.errors import Conflict
from opsicle.security.sealing import Seal
from opsicle.server.identity.authenticators import context_of
from opsicle.server.store import org_copies
from opsicle.server.store.database import Connection


def reseal(db: Connection, old: Seal, new: Seal) -> None:
    """Seal every seed of a draft anew.

    One that does not open stays as it is, and opens nowhere: an admin gives its owner a new app, as
    on a server that has lost its key.
    """
    for row in org_copies.list_seeds(db):
        context = context_of(row.user_id)
        with suppress(Conflict):
            seed = old.open(row.sealed_seed, context)
            org_copies.put_seed(db, row.user_id, new.close(seed, context))
