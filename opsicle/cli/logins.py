"""`opsicle sessions`: where you are logged in."""

from __future__ import annotations

import click

from opsicle.cli.listing import limit
from opsicle.cli.output import Column, emit, emit_list
from opsicle.cli.root import NounGroup
from opsicle.cli.sessions import connect
from opsicle.wire.endpoints import identity as endpoints

_COLUMNS = [
    Column("id", lambda session: session.id),
    Column("kind", lambda session: session.kind),
    Column("org", lambda session: session.org),
    Column("address", lambda session: session.address),
    Column("this one", lambda session: session.is_current),
    Column("last used", lambda session: session.last_used_at),
    Column("ends unused", lambda session: session.idle_expires_at),
    Column("ends", lambda session: session.expires_at),
]


@click.group(cls=NounGroup)
def sessions() -> None:
    """Show and end your sessions, that is where you are logged in."""


@sessions.command("list")
@limit
def list_(limit: int | None) -> None:
    """List your sessions, with when each ends unused and when at the latest."""
    emit_list(connect().pages(endpoints.LIST_SESSIONS), _COLUMNS, limit=limit)


@sessions.command()
@click.argument("session")
def revoke(session: str) -> None:
    """End one of your sessions, by id."""
    connect().call(endpoints.REVOKE_SESSION, session)
    emit({"id": session, "is_revoked": True}, [("revoked", session)])
