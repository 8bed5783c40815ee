"""Files that a command writes."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import click

from opsicle.cli.input_files import STDIN, FileName
from opsicle.cli.terminal import printable, say
from opsicle.domain.errors import Conflict, InvalidInput
from opsicle.domain.problems import quoted
from opsicle.kit import files


def require_file(path: Path, hint: str = "Use - to write into a pipe or device.") -> None:
    """Raise InvalidInput for a device, a pipe or a folder, whose place no file is to take.

    So is a link to what a process has open, as /dev/stdout is. Raises OSError.
    """
    is_open_one = path.is_symlink() and str(path.readlink()).startswith("/proc/")
    if is_open_one or (path.exists() and not path.is_file()):
        raise InvalidInput(f"{path} is no file", hint=hint)


def write_whole(file: Path, pieces: Iterable[bytes]) -> None:
    """Put pieces into a file, readable for its owner alone: whole, or not at all.

    Raises InvalidInput if it cannot be written, and what the pieces raise.
    """
    try:
        require_file(file)
        with files.written_whole(file) as target:
            target.writelines(pieces)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be written: {error.strerror or error}") from error


def replace_private(file: Path, content: bytes) -> None:
    """Put something secret into a file, readable for the owner of its folder alone.

    Raises InvalidInput if it cannot be written.
    """
    try:
        require_file(file, hint="Name one in a folder that nobody else reads.")
        files.replace(file, content)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be written: {error.strerror or error}") from error


to_option = click.option(
    "--to",
    metavar="FILE",
    type=FileName(),
    help="Where to write it; - is standard output. "
    "Unless told, a file of its own name in this folder, which must not exist.",
)


def hand_over(pieces: Iterable[bytes], size: int, path: str, to: str | None) -> None:
    """Write a file of an automation to where `--to` says. Raises as `write_whole`, and Conflict."""
    if to == STDIN:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return

    target = Path(to) if to else _own_name(path)
    write_whole(target, pieces)
    say(f"{printable(path)} is in {printable(str(target))}, {size} bytes.")


def _own_name(path: str) -> Path:
    target = Path(path.rpartition("/")[2])
    if target.is_symlink() or target.exists():
        raise Conflict(
            f"there is a file {quoted(str(target))} in this folder already",
            hint="Say with --to where to write it.",
        )
    return target
