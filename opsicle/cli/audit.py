"""`opsicle audit`: the record of who did what."""

from __future__ import annotations

import click

from opsicle.cli.output import Column, emit_list
from opsicle.cli.root import Noun
from opsicle.cli.sessions import connect
from opsicle.cli.workers import limit

_COLUMNS = [
    Column("seq", lambda entry: entry.seq),
    Column("at", lambda entry: entry.at),
    Column("actor", lambda entry: entry.actor_name or entry.actor_kind),
    Column("channel", lambda entry: entry.channel),
    Column("verb", lambda entry: entry.verb),
    Column("resource", lambda entry: entry.resource),
    Column("data", lambda entry: entry.data),
]


@click.group(cls=Noun)
def audit() -> None:
    """The record of who did what."""


@audit.command("list")
@limit
def list_(limit: int | None) -> None:
    """List the record's entries, newest first."""
    emit_list(connect().audit(), _COLUMNS, limit=limit, table_limit=100)
