"""Files that a command reads: `-` is standard input wherever one is taken."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsicle.cli.invocation import current
from opsicle.domain.errors import UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

STDIN = "-"


class FileName(click.ParamType[str]):
    """The name of a file, or `-`; an empty one is a mistake, not the folder that one is in."""

    name = "file"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name itself."""
        if not value:
            self.fail(
                "a file's name is empty; is the variable set that it was to come from?", param, ctx
            )
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Leave it to the shell, which knows the files."""
        return _left_to_the_shell(incomplete, "file")


class FolderName(click.ParamType[Path]):
    """The name of a folder; an empty one is a mistake, not the folder that one is in."""

    name = "folder"

    def convert(
        self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """Return the path."""
        if not str(value).strip():
            self.fail(
                "a folder's name is empty; is the variable set that it was to come from?",
                param,
                ctx,
            )
        return Path(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Leave it to the shell, which knows the folders."""
        return _left_to_the_shell(incomplete, "dir")


def _left_to_the_shell(incomplete: str, kind: str) -> list[CompletionItem]:
    # Loaded only where a shell asks, as other commands begin sooner without it.
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type=kind)]


def read_start(path: str | Path, limit: int) -> bytes:
    """Return the first `limit` bytes of a file, or of standard input for `-`.

    Raises OSError, ValueError for what is no file name, and UsageError for standard input that was
    read already: what comes second would find nothing and take it for an empty file.
    """
    if str(path) != STDIN:
        with Path(path).open("rb") as file:
            return file.read(limit)
    invocation = current()
    if invocation.is_stdin_read:
        raise UsageError("only one file can be `-`: standard input is read once")
    invocation.is_stdin_read = True
    return sys.stdin.buffer.read(limit) if sys.stdin is not None else b""
