"""`opsicle backup` and `opsicle restore`, on the server's machine."""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click
import msgspec

from opsicle.cli.input_files import STDIN, FileName, FolderName
from opsicle.cli.invocation import current
from opsicle.cli.output import emit
from opsicle.cli.output_files import require_file
from opsicle.cli.root import VerbCommand
from opsicle.cli.terminal import StatusLine, printable, read_password, say
from opsicle.domain.errors import InvalidInput, UsageError
from opsicle.domain.problems import first_names
from opsicle.kit import files

if TYPE_CHECKING:
    from opsicle.security.age_keys import LockingKey, OpeningKey

DEFAULT_DATA_DIR = Path("/var/lib/opsicle")
"""Where the unit of `opsicle service print server` has it."""

_LEAST_CHARACTERS = 12
_QUIET_SECONDS = 1.0
_MOST_SHOWN = 5

data_dir_option = click.option(
    "--data-dir",
    metavar="D",
    type=FolderName(),
    default=DEFAULT_DATA_DIR,
    help=f"The server's data folder; {DEFAULT_DATA_DIR} unless told.",
)
passphrase_file_option = click.option(
    "--passphrase-file",
    metavar="F",
    type=FileName(),
    help="File with the passphrase, `-` for stdin; asked for unless given.",
)


@click.command(cls=VerbCommand)
@click.argument("file", metavar="FILE|-", type=FileName())
@data_dir_option
@passphrase_file_option
@click.option(
    "--recipient",
    metavar="KEY",
    multiple=True,
    help="Instead of a passphrase: a public key of age (age1…) whose owner can restore it. "
    "May be repeated.",
)
@click.option("--without-artifacts", is_flag=True, help="Leave out the files of automations.")
@click.option("--without-logs", is_flag=True, help="Leave out the logs of jobs.")
def backup(
    file: str,
    data_dir: Path,
    passphrase_file: str | None,
    recipient: tuple[str, ...],
    without_artifacts: bool,
    without_logs: bool,
) -> None:
    """Back up a server while it runs, into a file or to stdout, encrypted.

    It holds everything that was acknowledged before it began, and all that a restored server needs:
    keys, databases, files. Run it on the server's machine, as the user that the server runs as, or
    as root.
    """
    from opsicle.kit.clock import SystemClock
    from opsicle.server.backups.backup import Backup, BackupParts

    if file == STDIN and sys.stdout.isatty():
        raise UsageError("a backup is not for a terminal", hint="Name a file, or pipe it on.")
    made = Backup(data_dir, SystemClock(), ActivityLine())
    key = _locking_key(passphrase_file, recipient)
    parts = BackupParts(has_logs=not without_logs, has_artifacts=not without_artifacts)

    with target_of(file) as target:
        report = made.write(target, key, parts)
    made.note_done(report)

    say_missing(report.missing)
    if file == STDIN:
        say(f"backup of {report.created_at:%Y-%m-%dT%H:%M:%SZ} written, {report.bytes} bytes")
        return
    emit(
        {"file": file, **msgspec.to_builtins(report)},
        [
            ("backup", file),
            ("bytes", report.bytes),
            ("holds all until", report.created_at),
            ("epoch", report.epoch),
            ("files of automations", report.artifacts),
        ],
    )


@click.command(cls=VerbCommand)
@click.argument("file", metavar="FILE|-", type=FileName())
@click.option(
    "--data-dir", metavar="D", type=FolderName(), help="An empty folder, or one to be made."
)
@click.option("--check", is_flag=True, help="Only see whether it can be restored.")
@passphrase_file_option
@click.option(
    "--identity-file",
    metavar="F",
    type=Path,
    help="Instead of a passphrase: a file with the secret key of age of one of its recipients.",
)
@click.option(
    "--master-key-file",
    metavar="FILE",
    type=Path,
    envvar=["OPSICLE_RESTORE_MASTER_KEY_FILE", "OPSICLE_MASTER_KEY_FILE"],
    help="The key under which secrets are encrypted, if the server keeps it outside its folder.",
)
@click.option(
    "--accept-broken-record",
    is_flag=True,
    help="Restore an audit record that was altered before the backup was made.",
)
def restore(  # noqa: PLR0913, PLR0917 - one for each option
    file: str,
    data_dir: Path | None,
    check: bool,
    passphrase_file: str | None,
    identity_file: Path | None,
    master_key_file: Path | None,
    accept_broken_record: bool,
) -> None:
    """Restore a backup into an empty data folder, checked as a whole, or only check it.

    The server that is started on it is in a new epoch, and hands out nothing until its queue is
    released. Run it as the user that the server will run as, or as root into a folder of that
    user's.
    """
    from opsicle.kit.clock import SystemClock
    from opsicle.server.backups.restore import Restore, RestoreOptions

    if check == (data_dir is not None):
        raise UsageError("give --data-dir D or --check, one of the two")
    logging.getLogger("opsicle").addHandler(logging.NullHandler())  # we say it all ourselves
    options = RestoreOptions(master_key_file, accept_broken_record)

    with source_of(file) as source, _folder(data_dir) as folder:
        key = _opening_key(passphrase_file, identity_file)
        report = Restore(folder, SystemClock(), ActivityLine(), options).run(source, key)

    say_missing(report.missing)
    for fault in report.faults:
        say(printable(f"warning: {fault}"))
    emit(
        {"data_dir": None if data_dir is None else str(data_dir), **msgspec.to_builtins(report)},
        [
            ("restored to" if data_dir else "checked", data_dir or file),
            ("made at", report.created_at),
            ("made by", f"opsicle {report.made_by}"),
            ("CA", report.ca_fingerprint),
            ("orgs", report.orgs),
            ("entries of the record", report.audit_entries),
            ("files of automations", report.artifacts),
            ("logs", "all" if report.has_logs else "none"),
            ("epoch", report.epoch if data_dir else ""),
            ("next", "start the server; its queue is held" if data_dir else ""),
        ],
    )


class ActivityLine:
    """Says on a terminal what is being done, once it has taken a second."""

    def __init__(self) -> None:
        self._line = StatusLine()
        self._began_at = time.monotonic()

    def __call__(self, text: str) -> None:
        """Show this, if it is time."""
        if time.monotonic() - self._began_at > _QUIET_SECONDS:
            self._line.show(text)


def _locking_key(passphrase_file: str | None, recipients: tuple[str, ...]) -> LockingKey:
    from opsicle.security.age_keys import Passphrase, Recipients

    if not recipients:
        return Passphrase(new_passphrase(passphrase_file))
    if passphrase_file:
        raise UsageError("give --passphrase-file or --recipient, one of the two")
    return Recipients.from_texts(recipients)


def _opening_key(passphrase_file: str | None, identity_file: Path | None) -> OpeningKey:
    from opsicle.security.age_keys import Identities, Passphrase

    if identity_file is None:
        return Passphrase(read_passphrase(passphrase_file))
    if passphrase_file:
        raise UsageError("give --passphrase-file or --identity-file, one of the two")
    try:
        return Identities.from_text(identity_file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the identity file cannot be read: {identity_file}") from error


def new_passphrase(path: str | None) -> str:
    """Return a passphrase for what is written. Raises InvalidInput for one that is too short."""
    passphrase = read_passphrase(path, is_new=True)
    if len(passphrase) < _LEAST_CHARACTERS:
        raise InvalidInput(
            f"the passphrase is shorter than {_LEAST_CHARACTERS} characters",
            hint="Everything that the server holds opens with it. "
            "`openssl rand -base64 24` makes a good one; keep it apart from the backups.",
        )
    return passphrase


def read_passphrase(path: str | None, *, is_new: bool = False) -> str:
    """Return the passphrase from a file, or from whoever is asked for it."""
    return read_password(path, is_new=is_new, name="Passphrase", option="--passphrase-file")


@contextmanager
def target_of(file: str) -> Iterator[BinaryIO]:
    """Give what a backup is written into. Raises InvalidInput if it cannot be written."""
    if file == STDIN:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(file)
    try:
        require_file(path)
        with files.written_whole(path) as target:
            yield target
    except OSError as error:
        raise InvalidInput(
            f"the backup cannot be written: {file}: {error.strerror or error}",
            hint="" if path.parent.is_dir() else f"Make the folder {path.parent} first.",
        ) from error


@contextmanager
def source_of(file: str) -> Iterator[BinaryIO]:
    """Give what is read. Raises InvalidInput if it cannot be."""
    if file == STDIN:
        if current().is_stdin_read:
            raise UsageError("only one file can be `-`: standard input is read once")
        current().is_stdin_read = True
        yield sys.stdin.buffer
        return
    try:
        source = Path(file).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise InvalidInput(
            f"the backup cannot be read: {file}: {error.strerror or error}"
        ) from error
    with source:
        yield source


@contextmanager
def _folder(data_dir: Path | None) -> Iterator[Path]:
    """Give the folder to restore into: one that is removed again where it is only to be checked."""
    if data_dir is not None:
        yield data_dir
        return
    with tempfile.TemporaryDirectory(prefix="opsicle-check-") as folder:
        yield Path(folder)


def say_missing(missing: Sequence[str]) -> None:
    """Warn of files that a server had lost."""
    if missing:
        names = first_names(missing, _MOST_SHOWN)
        say(f"warning: the server had lost or damaged {len(missing)} of its files: {names}")
