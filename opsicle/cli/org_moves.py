"""`opsicle orgs export` and `opsicle orgs import`, on the servers' machines."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click
import msgspec

from opsicle.cli.backups import (
    ActivityLine,
    data_dir_option,
    new_passphrase,
    passphrase_file_option,
    read_passphrase,
    say_missing,
    source_of,
    target_of,
)
from opsicle.cli.input_files import STDIN, FileName
from opsicle.cli.output import emit
from opsicle.cli.root import VerbCommand
from opsicle.cli.terminal import say
from opsicle.domain.errors import UsageError
from opsicle.domain.problems import first_names

_MOST_SHOWN = 5

_master_key_file = click.option(
    "--master-key-file",
    metavar="FILE",
    type=Path,
    envvar=["OPSICLE_MASTER_KEY_FILE"],
    help="The key under which secrets are encrypted, if the server keeps it outside its folder.",
)


@click.command("export", cls=VerbCommand)
@click.argument("org")
@click.argument("file", metavar="FILE|-", type=FileName())
@data_dir_option
@passphrase_file_option
@_master_key_file
@click.option("--again", is_flag=True, help="Also if it was exported before.")
@click.option(
    "--unsuspended", is_flag=True, help="Also if it is not suspended, and may start something here."
)
def export_org(  # noqa: PLR0913, PLR0917 - one for each option
    org: str,
    file: str,
    data_dir: Path,
    passphrase_file: str | None,
    master_key_file: Path | None,
    again: bool,
    unsuspended: bool,
) -> None:
    """Export a suspended org of a server, which may run meanwhile, for another server, encrypted.

    With all that it has: history, record, logs, files, people, documents, secrets. Run it on the
    server's machine, as the user that the server runs as, or as root.
    """
    from opsicle.kit.clock import SystemClock
    from opsicle.security.age_keys import Passphrase
    from opsicle.server.org_moves.export import OrgExport

    if file == STDIN and sys.stdout.isatty():
        raise UsageError("an export is not for a terminal", hint="Name a file, or pipe it on.")
    made = OrgExport(data_dir, SystemClock(), ActivityLine())
    key = Passphrase(new_passphrase(passphrase_file))

    with target_of(file) as target:
        report = made.write(org, target, key, master_key_file, again=again, unsuspended=unsuspended)
    made.note_done(report)

    say_missing(report.missing)
    if file == STDIN:
        say(f"export of {org} written, {report.bytes} bytes")
        return
    emit(
        {"file": file, **msgspec.to_builtins(report)},
        [
            ("export", file),
            ("org", report.org),
            ("holds all until", report.created_at),
            ("bytes", report.bytes),
            ("people", report.people),
            ("automations", report.automations),
            ("entries of the record", report.audit_entries),
            ("secrets", report.secrets),
            ("files", report.files),
        ],
    )


@click.command("import", cls=VerbCommand)
@click.argument("file", metavar="FILE|-", type=FileName())
@data_dir_option
@passphrase_file_option
@_master_key_file
@click.option(
    "--link-accounts",
    is_flag=True,
    help="Whoever has an account here, by their address, is the same person as in the org.",
)
def import_org(
    file: str,
    data_dir: Path,
    passphrase_file: str | None,
    master_key_file: Path | None,
    link_accounts: bool,
) -> None:
    """Take an exported org into a server that is stopped, checked as a whole, or not at all.

    It is suspended then, until `opsicle orgs resume`: what had waited is cancelled, what had begun
    is unknown, channels are disabled, and its workers enrol anew. Run it as the user that the
    server runs as, or as root.
    """
    from opsicle.kit.clock import SystemClock
    from opsicle.security.age_keys import Passphrase
    from opsicle.server.org_moves.importing import OrgImport, OrgImportOptions

    logging.getLogger("opsicle").addHandler(logging.NullHandler())  # we say it all ourselves
    options = OrgImportOptions(master_key_file, link_accounts)
    taken = OrgImport(data_dir, SystemClock(), ActivityLine(), options)
    with source_of(file) as source:
        report = taken.run(source, Passphrase(read_passphrase(passphrase_file)))

    say_missing(report.missing)
    emit(
        report,
        [
            ("org", report.org),
            ("exported at", report.exported_at),
            ("made by", f"opsicle {report.made_by}"),
            ("CA of its server", report.ca_fingerprint),
            ("people", report.people),
            ("accounts that were here", first_names(report.linked, _MOST_SHOWN)),
            ("automations", report.automations),
            ("had waited: cancelled", len(report.cancelled)),
            ("had begun: unknown", len(report.unknown)),
            ("entries of the record", report.audit_entries),
            ("files", report.files),
            ("next", "start the server, `opsicle orgs resume`, enrol workers, enable channels"),
        ],
    )
