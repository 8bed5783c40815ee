"""Pushing several files: all are checked before the first is sent, and what was done when one fails is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from opsicle.cli.complaints import located_in, warn
from opsicle.cli.documents import read_source, refuse_wrong
from opsicle.cli.invocation import current
from opsicle.cli.output import print_json
from opsicle.cli.proofs import with_proof

if TYPE_CHECKING:
    from opsicle.client.api import Api
    from opsicle.domain.errors import Problem


class Result(Protocol):
    """What the server says of a document that it has taken."""

    @property
    def name(self) -> str:
        """The document's name."""
        ...

    @property
    def version(self) -> int:
        """The version that it is now."""
        ...

    @property
    def is_new(self) -> bool:
        """Whether that version was made for it."""
        ...


def push_files(
    files: Sequence[str],
    totp: str | None,
    push: Callable[[Api, str], tuple[Result, Sequence[Problem]]],
) -> None:
    """Push every file, in order, and print what became of each: one makes one JSON object, several an array.

    `push` sends one document, and answers with what deserves attention beside what was done.
    Raises InvalidInput before anything is sent if one of several files is wrong; else what the server says of the
    first that it refuses, after what was pushed until then has been printed.
    """
    sources = [(file, read_source(Path(file))) for file in files]
    if len(files) > 1:
        refuse_wrong(sources)
    pushed: list[Result] = []
    try:
        for file, source in sources:
            done, warnings = with_proof(totp, lambda api, source=source: push(api, source))  # type: ignore[misc]
            warn(located_in(file, problem) for problem in warnings)
            pushed.append(done)
            _say(done)
    except BaseException as error:
        _add_what_was_done(error, files, len(pushed))
        if pushed:
            _print(pushed)
        raise
    _print(pushed if len(files) > 1 else pushed[0])


def _say(done: Result) -> None:
    if not current().wants_json:
        said = "pushed" if done.is_new else "unchanged"
        click.echo(f"{done.name} version {done.version} {said}")


def _print(result: object) -> None:
    if current().wants_json:
        print_json(result)


def _add_what_was_done(error: BaseException, files: Sequence[str], count: int) -> None:
    """Let an error of ours name the file that it is about, and those that were not pushed.

    Where no answer came, or none of the server's own, that file may have been pushed all the same.
    """
    from opsicle.domain.errors import Internal, NotAuthenticated, OpsicleError, Unavailable, Unreachable

    if not isinstance(error, OpsicleError):
        return
    if not isinstance(error, NotAuthenticated | Unreachable):  # which no file is to blame for
        error.message = f"{files[count]}: {error.message}"
    said = [error.hint]
    if isinstance(error, Unreachable | Unavailable | Internal):
        said.append(f"Perhaps pushed: {files[count]}; pushing it again does no harm.")
        count += 1
    if len(files) > 1 and files[count:]:
        said.append(f"Not pushed: {', '.join(files[count:])}.")
    error.hint = " ".join(filter(None, said))
