"""`opsicle workers`: join tokens and the fleet."""

from __future__ import annotations

import click

from opsicle.cli.output import Column, emit, emit_list
from opsicle.cli.root import Noun
from opsicle.cli.sessions import connect

_DEFAULT_TTL_SECONDS = 900

_COLUMNS = [
    Column("id", lambda worker: worker.id),
    Column("name", lambda worker: worker.name),
    Column("state", lambda worker: worker.state),
    Column("connected", lambda worker: worker.is_connected),
    Column("busy", lambda worker: f"{worker.busy}/{worker.slots}"),
    Column("runs", lambda worker: worker.runtimes),
    Column("labels", lambda worker: worker.labels),
    Column("last seen", lambda worker: worker.last_seen_at),
]

shared_option = click.option("--shared", is_flag=True, help="Of the workers that serve many orgs, for provider admins.")

limit = click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Show at most N.")


@click.group(cls=Noun)
def workers() -> None:
    """Join tokens, and the workers that carry out automations."""


@workers.command()
@click.option(
    "--ttl",
    type=click.IntRange(60, 86_400),
    default=_DEFAULT_TTL_SECONDS,
    metavar="SECONDS",
    help="How long it may be used, 60 to 86400; 900 unless told.",
)
@click.option("--shared", is_flag=True, help="For a worker that serves every org that lets it; for provider admins.")
def token(ttl: int, shared: bool) -> None:
    """Make a join token, with which one worker can enrol once."""
    new = connect().create_join_token(ttl, is_shared=shared)
    command = "opsicle worker --join-file - --data-dir ./opsicle-worker   # and paste the token"
    emit(new, [("token", new.token), ("expires", new.expires_at), ("start with", command)])


@workers.command("list")
@shared_option
@limit
def list_(shared: bool, limit: int | None) -> None:
    """List the workers."""
    emit_list(connect().workers(is_shared=shared), _COLUMNS, limit=limit)


@workers.command()
@click.argument("worker")
@shared_option
def show(worker: str, shared: bool) -> None:
    """Show one worker, by id or name."""
    _emit(connect().worker(worker, is_shared=shared))


@workers.command()
@click.argument("worker")
@shared_option
def drain(worker: str, shared: bool) -> None:
    """Give a worker no more jobs; those that it has go on."""
    _emit(connect().change_worker(worker, "drain", is_shared=shared))


@workers.command()
@click.argument("worker")
@shared_option
def undrain(worker: str, shared: bool) -> None:
    """Give a drained worker jobs again."""
    _emit(connect().change_worker(worker, "undrain", is_shared=shared))


@workers.command()
@click.argument("worker")
@shared_option
def revoke(worker: str, shared: bool) -> None:
    """Shut a worker out at once and for good."""
    _emit(connect().change_worker(worker, "revoke", is_shared=shared))


def _emit(worker: object) -> None:
    from opsicle.wire.user_api import Worker

    assert isinstance(worker, Worker)
    fields = [(column.heading, column.value(worker)) for column in _COLUMNS]
    emit(worker, [*fields, ("version", worker.version), ("certificate until", worker.certificate_expires_at)])
