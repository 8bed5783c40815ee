"""`opsicle targets import`: targets from the files of other tools."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import click

from opsicle.cli.input_files import FileName, FolderName, read_start
from opsicle.cli.invocation import current
from opsicle.cli.known_hosts import known_hosts_option, read_known_hosts
from opsicle.cli.output import print_json, print_table
from opsicle.cli.output_files import write_whole
from opsicle.cli.root import OUTPUTS, VerbCommand
from opsicle.cli.terminal import printable, say
from opsicle.domain.ansible_parser import read_inventory
from opsicle.domain.errors import Conflict, InvalidInput
from opsicle.domain.imported_targets import FoundHosts, ImportedTargets, import_targets
from opsicle.domain.known_hosts import KnownHosts
from opsicle.domain.ssh_configs import read_ssh_config
from opsicle.domain.target_writer import written
from opsicle.domain.targets import Target

_MAX_BYTES = 1024 * 1024

_READERS: dict[str, Callable[[bytes], FoundHosts]] = {
    "ansible": read_inventory,
    "ssh-config": lambda source: read_ssh_config(source.decode("utf-8-sig", "replace")),
}


class _ImportCommand(VerbCommand):
    """One whose `-o` takes a folder too: only `table` and `json` are forms of output."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read `-o DIR` as `--to DIR`."""
        folders = [
            at
            for at, (option, value) in enumerate(pairwise(args))
            if option == "-o" and value not in OUTPUTS
        ]
        for at in folders:
            args[at] = "--to"
        return super().parse_args(ctx, args)


@click.command("import", cls=_ImportCommand)
@click.argument("kind", type=click.Choice(list(_READERS)), metavar="ansible|ssh-config")
@click.argument("file", type=FileName())
@click.option(
    "--to",
    metavar="DIR",
    type=FolderName(),
    required=True,
    help="The folder that the documents are written into; made if it is not there. "
    "`-o DIR` does the same.",
)
@known_hosts_option
@click.option("--user", metavar="USER", default="", help="As whom to log in where FILE says none.")
@click.option(
    "--secret",
    metavar="NAME",
    default="",
    help="The secret that holds the private key of all; named after each one's file unless told.",
)
def import_(
    kind: str, file: str, to: Path, known_hosts: str | None, user: str, secret: str
) -> None:
    """Make documents for `push` of an inventory or an SSH configuration, and say what was left out.

    Nothing is sent anywhere. Host keys stand in neither file: take them from --known-hosts, or fill
    them in.
    """
    known = read_known_hosts(known_hosts) if known_hosts else KnownHosts("")
    imported = import_targets(_READERS[kind](_read(file)), known, user, secret)
    files = {target.name: to / f"{target.name}.yaml" for target in imported.targets}
    _require_new(files)
    for target in imported.targets:
        to.mkdir(parents=True, exist_ok=True)
        write_whole(files[target.name], [written(target).encode()])
    _report(imported, files)


def _read(file: str) -> bytes:
    try:
        source = read_start(file, _MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{file} cannot be read: {error}") from error
    if len(source) > _MAX_BYTES:
        raise InvalidInput(f"{file} is larger than 1 MiB")
    return source


def _require_new(files: dict[str, Path]) -> None:
    there = [str(file) for file in files.values() if file.exists() or file.is_symlink()]
    if there:
        raise Conflict(
            f"there is a file {there[0]} already; nothing was written",
            hint="Say with --to a folder of its own.",
        )


def to_fill(target: Target) -> list[str]:
    """Return the fields that a person must fill in before it can be pushed."""
    fields = {"user": target.user, "hostKeys": target.host_keys}
    return [field for field, content in fields.items() if not content]


def _report(imported: ImportedTargets, files: dict[str, Path]) -> None:
    if current().wants_json:
        print_json(
            {
                "targets": [
                    {
                        "name": target.name,
                        "file": str(files[target.name]),
                        "host": target.host,
                        "port": target.port,
                        "user": target.user,
                        "secret": target.secret,
                        "labels": target.labels,
                        "to_fill": to_fill(target),
                    }
                    for target in imported.targets
                ],
                "remarks": imported.remarks,
            }
        )
        return

    rows = [
        [printable(target.address), str(files[target.name]), ", ".join(to_fill(target))]
        for target in imported.targets
    ]
    print_table(["TARGET", "FILE", "TO FILL IN"], rows)
    for remark in imported.remarks:
        line = f"line {remark.line}: " if remark.line else ""
        about = f"{remark.about}: " if remark.about else ""
        say(printable(f"{line}{about}{remark.message}"))
