"""`opsicle workers`: join tokens and the fleet."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from opsicle.cli.input_files import FileName
from opsicle.cli.listing import limit
from opsicle.cli.mfa import totp_option, with_step_up
from opsicle.cli.output import Column, emit, emit_list
from opsicle.cli.output_files import replace_private
from opsicle.cli.root import NounGroup
from opsicle.cli.sessions import connect
from opsicle.cli.worker import labels_of
from opsicle.domain.clocks import is_off, offset_text
from opsicle.wire.endpoints import workers as endpoints
from opsicle.wire.fleet_api import CreateJoinTokenRequest, UpdateWorkerRequest, Worker

_DEFAULT_TTL_SECONDS = 900

_COLUMNS = [
    Column("id", lambda worker: worker.id),
    Column("name", lambda worker: worker.name),
    Column("state", lambda worker: worker.state),
    Column("connected", lambda worker: worker.is_connected),
    Column("busy", lambda worker: f"{worker.busy}/{worker.slots}"),
    Column("runs", lambda worker: worker.runtimes),
    Column("labels", lambda worker: worker.granted_labels),
    Column("version", lambda worker: f"{worker.program_version}{' (behind)' * worker.is_behind}"),
    Column("last seen", lambda worker: worker.last_seen_at),
    Column("gets no work because", lambda worker: worker.withheld),
]

shared_option = click.option(
    "--shared", is_flag=True, help="Of the workers that serve many orgs, for server operators."
)

labels_option = click.option(
    "--label", metavar="K=V", multiple=True, help="A label to grant. May be repeated."
)


@click.group(cls=NounGroup)
def workers() -> None:
    """Manage the workers that carry out automations, and make their join tokens."""


@workers.command()
@click.option(
    "--ttl",
    type=click.IntRange(60, 90 * 86_400),
    default=_DEFAULT_TTL_SECONDS,
    metavar="SECONDS",
    help="How long it may be used, 60 to 86400 (with --uses 7776000); 900 unless told.",
)
@click.option(
    "--shared",
    is_flag=True,
    help="For a worker that serves every org that lets it; for server operators.",
)
@click.option(
    "--uses",
    type=click.IntRange(1, 100_000),
    default=1,
    metavar="N",
    help="How many workers may enrol with it, 1 unless told; more need --label or --no-labels.",
)
@labels_option
@click.option(
    "--no-labels", is_flag=True, help="Grant no labels, whatever the worker says of itself."
)
@click.option(
    "--to",
    metavar="FILE",
    type=FileName(),
    help="Write the token into a file that its folder's owner alone can read, for --join-file.",
)
@totp_option
def token(  # noqa: PLR0913, PLR0917 - what a join token can be told
    ttl: int,
    shared: bool,
    uses: int,
    label: tuple[str, ...],
    no_labels: bool,
    to: str | None,
    totp: str | None,
) -> None:
    """Make a join token, with which one worker can enrol once, or --uses many.

    With --label (or --no-labels) the worker is granted just these labels. Without, it is granted
    those with which it enrols: then whoever has the token decides which templates it gets.
    """
    labels = _granted(label, no_labels) if label or no_labels else None
    if uses > 1 and labels is None:
        raise click.UsageError(
            "a token for many workers says which labels they get: --label or --no-labels"
        )
    request = CreateJoinTokenRequest(ttl_seconds=ttl, is_shared=shared, labels=labels, uses=uses)
    new = with_step_up(totp, lambda api: api.call(endpoints.CREATE_JOIN_TOKEN, body=request))
    if to:
        replace_private(Path(to), f"{new.token}\n".encode("ascii"))
        kept = msgspec.structs.replace(new, token="")
        emit(kept, [("written to", to), ("expires", new.expires_at)])
        return
    command = "opsicle worker --join-file - --data-dir ./opsicle-worker   # and paste the token"
    emit(new, [("token", new.token), ("expires", new.expires_at), ("start with", command)])


_TOKEN_COLUMNS = [
    Column("id", lambda token: token.id),
    Column("used", lambda token: f"{token.uses} of {token.max_uses}"),
    Column("labels", lambda token: "the worker's own" if token.labels is None else token.labels),
    Column("made by", lambda token: token.created_by),
    Column("created", lambda token: token.created_at),
    Column("expires", lambda token: token.expires_at),
]


@workers.command("tokens")
@shared_option
@limit
def list_tokens(shared: bool, limit: int | None) -> None:
    """List the join tokens that can still be used."""
    endpoint = endpoints.LIST_SHARED_JOIN_TOKENS if shared else endpoints.LIST_JOIN_TOKENS
    emit_list(connect().pages(endpoint), _TOKEN_COLUMNS, limit=limit)


@workers.command("revoke-token")
@click.argument("token")
@shared_option
def revoke_token(token: str, shared: bool) -> None:
    """Let nobody enrol any more by a join token, by its id; workers that have enrolled stay."""
    shared_or_not = (endpoints.REVOKE_JOIN_TOKEN, endpoints.REVOKE_SHARED_JOIN_TOKEN)
    connect().call(shared_or_not[shared], token)
    emit({"id": token, "is_revoked": True}, [("revoked", token)])


@workers.command("list")
@shared_option
@click.option("--all", is_flag=True, help="Revoked workers too.")
@click.option("--version", metavar="V", help="Only those that run this version of Opsicle.")
@click.option("--behind", is_flag=True, help="Only those of an earlier release than the server.")
@limit
def list_(shared: bool, all: bool, version: str | None, behind: bool, limit: int | None) -> None:
    """List the workers that are not revoked."""
    endpoint = endpoints.LIST_SHARED if shared else endpoints.LIST_WORKERS
    found = (
        worker
        for worker in connect().pages(endpoint, query={"all": all})
        if version in (None, worker.program_version) and (worker.is_behind or not behind)
    )
    emit_list(found, _COLUMNS, limit=limit)


@workers.command()
@click.argument("worker")
@shared_option
def show(worker: str, shared: bool) -> None:
    """Show one worker, by id or name."""
    _emit(connect().call(endpoints.SHOW_SHARED if shared else endpoints.SHOW, worker))


_JOB_COLUMNS = [
    Column("automation", lambda job: job.automation_id),
    Column("template", lambda job: job.template),
    Column("state", lambda job: job.state),
    Column("handed out", lambda job: job.leased_at),
    Column("seconds", lambda job: job.seconds),
]


@workers.command()
@click.argument("worker")
@limit
def jobs(worker: str, limit: int | None) -> None:
    """List what a worker was handed, newest first: what it runs now, and how the rest went."""
    found = connect().pages(endpoints.LIST_JOBS, worker)
    emit_list(found, _JOB_COLUMNS, limit=limit, table_limit=100)


@workers.command()
@click.argument("worker")
@labels_option
@click.option("--no-labels", is_flag=True, help="Take all labels from it.")
@shared_option
@totp_option
def update(
    worker: str, label: tuple[str, ...], no_labels: bool, shared: bool, totp: str | None
) -> None:
    """Grant a worker labels, in the place of all that it has."""
    if not label and not no_labels:
        raise click.UsageError("give the labels with --label, or --no-labels")
    request = UpdateWorkerRequest(labels=_granted(label, no_labels))
    endpoint = endpoints.UPDATE_SHARED if shared else endpoints.UPDATE
    _emit(with_step_up(totp, lambda api: api.call(endpoint, worker, body=request)))


@workers.command()
@click.argument("worker")
@shared_option
def drain(worker: str, shared: bool) -> None:
    """Give a worker no more jobs; those that it has go on."""
    _emit(connect().call(endpoints.DRAIN_SHARED if shared else endpoints.DRAIN, worker))


@workers.command()
@click.argument("worker")
@shared_option
def undrain(worker: str, shared: bool) -> None:
    """Give a drained worker jobs again."""
    _emit(connect().call(endpoints.UNDRAIN_SHARED if shared else endpoints.UNDRAIN, worker))


@workers.command()
@click.argument("worker")
@shared_option
def revoke(worker: str, shared: bool) -> None:
    """Shut a worker out at once and for good."""
    _emit(connect().call(endpoints.REVOKE_SHARED if shared else endpoints.REVOKE, worker))


def _emit(worker: object) -> None:
    assert isinstance(worker, Worker)
    emit(
        worker,
        [
            *((column.heading, column.value(worker)) for column in _COLUMNS),
            ("only says of itself", _claimed_labels(worker)),
            ("clock", _clock(worker)),
            ("ephemeral", worker.is_ephemeral),
            ("manifest formats", worker.formats),
            ("keeps limits by", worker.limits_by),
            ("jobs not known here", ", ".join(worker.unknown_jobs)),
            ("certificate until", worker.certificate_expires_at),
        ],
    )


def _claimed_labels(worker: Worker) -> dict[str, str]:
    return {
        key: text for key, text in worker.labels.items() if worker.granted_labels.get(key) != text
    }


def _clock(worker: Worker) -> str:
    offset = worker.clock_offset_seconds
    if offset is None:
        return "not known"
    return f"{offset_text(offset)} the server's" if is_off(offset) else "right"


def _granted(labels: tuple[str, ...], no_labels: bool) -> dict[str, str]:
    """Return the labels by key. Raises click.UsageError."""
    if labels and no_labels:
        raise click.UsageError("--label and --no-labels exclude each other")
    return labels_of(labels)
