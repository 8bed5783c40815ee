"""Searching logs: the options that searches have, and what is said of how far one has come."""

from __future__ import annotations

import click

from opsicle.cli.terminal import say
from opsicle.client.logs import LogSearchProgress

regex = click.option("--regex", is_flag=True, help="TEXT is a regular expression, as RE2 has them.")
ignore_case = click.option(
    "--ignore-case", "-i", is_flag=True, help="Take capitals and small letters alike."
)
stream = click.option(
    "--stream",
    type=click.Choice(["stdout", "stderr"]),
    help="Only what was printed to this stream.",
)


def print_search_progress(progress: LogSearchProgress) -> None:
    """Say what was searched, and how to go on where that is not all."""
    text = f"searched {size_text(progress.searched_bytes)}"
    if progress.total_bytes is not None:
        text += f" of {size_text(progress.total_bytes)}"
    if progress.cursor and progress.back_to:
        text += f", back to what was triggered on {progress.back_to} UTC"
    if progress.missing_bytes:
        text += f"; {size_text(progress.missing_bytes)} are missing from the server"
    if progress.cursor:
        text += f"; go on with --cursor {progress.cursor}"
    say(text)


def size_text(count: int) -> str:
    """Return a number of bytes as people read it."""
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.1f} {unit}" if size < 10 and unit != "B" else f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
