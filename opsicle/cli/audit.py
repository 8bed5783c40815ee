"""`opsicle audit`: the record of who did what."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsicle.cli.input_files import STDIN, FileName, read_start
from opsicle.cli.listing import limit
from opsicle.cli.output import Column, emit, emit_list
from opsicle.cli.output_files import write_whole
from opsicle.cli.root import NounGroup
from opsicle.cli.sessions import connect
from opsicle.cli.terminal import say
from opsicle.cli.times import PastTime, past_time
from opsicle.wire.audit import AuditVerdict, Fault
from opsicle.wire.endpoints import audit as endpoints

_MAX_KEY_BYTES = 64 * 1024

if TYPE_CHECKING:
    from opsicle.security.audit_key import AuditPublicKey

_COLUMNS = [
    Column("epoch", lambda entry: entry.epoch),
    Column("seq", lambda entry: entry.seq),
    Column("at", lambda entry: entry.at),
    Column("actor", lambda entry: entry.actor_name or entry.actor_kind),
    Column("channel", lambda entry: entry.channel),
    Column("verb", lambda entry: entry.verb),
    Column("resource", lambda entry: entry.resource),
    Column("data", lambda entry: entry.data),
]


@click.group(cls=NounGroup)
def audit() -> None:
    """Read, export and verify the record of who did what."""


@audit.command("list")
@click.option(
    "--verb", metavar="V", help="Only what was done with this verb, as `push` or `approve`."
)
@click.option(
    "--actor",
    metavar="A",
    help="Only what this person or worker did, by e-mail address, name or id.",
)
@click.option(
    "--resource",
    metavar="R",
    help="Only what was done to this, as `templates/restart-web` or `templates`.",
)
@click.option(
    "--since",
    type=PastTime(),
    metavar="TIME",
    help="Only from this time on, as 2026-03-01, 2026-03-01T12:00:00Z or 7d (so long ago).",
)
@click.option("--until", type=PastTime(), metavar="TIME", help="Only before this time.")
@limit
def list_(limit: int | None, **filters: str | None) -> None:
    """List the record's entries, newest first."""
    times = {name: past_time(filters[name]) for name in ("since", "until")}
    emit_list(
        connect().pages(endpoints.LIST_ENTRIES, query=filters | times),
        _COLUMNS,
        limit=limit,
        table_limit=100,
    )


@audit.command()
@click.argument("file", type=FileName())
def export(file: str) -> None:
    """Write the org's whole record to FILE, or - for standard output.

    JSON Lines: a header, the signed checkpoints, the entries. `opsicle audit verify FILE` checks it
    without a server.
    """
    with connect().stream(endpoints.EXPORT) as stream:
        if file == STDIN:
            sys.stdout.buffer.writelines(stream.pieces)
            return
        write_whole(Path(file), stream.pieces)
    say(f"The record is in {file}. `opsicle audit verify {file}` checks it.")


@audit.command()
@click.argument(
    "file",
    required=False,
    type=click.Path(dir_okay=False, path_type=Path, exists=True, allow_dash=True),
)
@click.option(
    "--public-key",
    metavar="F",
    type=click.Path(dir_okay=False, path_type=Path, exists=True, allow_dash=True),
    help="The server's public key (`opsicle audit key`); the one in the export itself unless told.",
)
def verify(file: Path | None, public_key: Path | None) -> str | None:
    """Check that the record is as it was written, and name the first entry that is not.

    With FILE, an export (- for standard input), no server is asked; without it the server checks
    the org's record.
    """
    if str(file) == str(public_key) == "-":
        raise click.UsageError("only one file can be `-`: standard input is read once")
    if file is None and public_key:
        raise click.UsageError("--public-key is for checking an export: name its FILE.")

    verdict = _verify_file(file, public_key) if file else connect().call(endpoints.VERIFY)
    _emit(verdict)

    if verdict.fault:
        return "failed"
    if file and not public_key:
        say(
            "Checked with the key that stands in the export itself. "
            "--public-key checks who signed it."
        )
    return None


@audit.command()
def key() -> None:
    """Print the public key with which exports of this server's records are verified."""
    click.echo(connect().call(endpoints.SHOW_PUBLIC_KEY).decode("ascii", "replace"), nl=False)


def _verify_file(file: Path, public_key: Path | None) -> AuditVerdict:
    from opsicle.client.audit_export import verify_export

    key = _read_key(public_key) if public_key else None
    if str(file) == "-":
        return verify_export(sys.stdin.buffer, key)
    with file.open("rb") as lines:
        return verify_export(lines, key)


def _read_key(file: Path) -> AuditPublicKey:
    from opsicle.security.audit_key import AuditPublicKey

    return AuditPublicKey.load(read_start(file, _MAX_KEY_BYTES).decode(errors="replace"))


def _emit(verdict: AuditVerdict) -> None:
    fault, last = verdict.fault, _of_epoch(verdict.last_epoch)
    emit(
        verdict,
        [
            (
                "verdict",
                "the record is intact" if fault is None else f"NOT INTACT: {_in_words(fault)}",
            ),
            ("kind", fault and fault.kind),
            (
                "good entries",
                f"{verdict.entries} ({verdict.first_seq} to {verdict.last_seq}{last})",
            ),
            ("signed to", verdict.signed_to),
            ("checkpoints", verdict.checkpoints),
            ("removed to", verdict.removed_to or None),
            ("key", verdict.fingerprint),
        ],
    )


def _in_words(fault: Fault) -> str:
    epoch = _of_epoch(fault.epoch)
    return f"{fault.message} (entry {fault.seq}{epoch})" if epoch else fault.message


def _of_epoch(epoch: int | None) -> str:
    """Return what tells an entry from one of the same number that a restore has lost."""
    return f" of epoch {epoch}" if epoch and epoch > 1 else ""
