"""What the commands of templates, policies, schedules, triggers and targets share.

Pushing files, and showing and deleting what was pushed.

All files of a push are checked before the first is sent, and what was done when one fails is said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import click

from opsicle.cli.documents import read_source, refuse_wrong
from opsicle.cli.errors import located_in, warn
from opsicle.cli.input_files import FileName
from opsicle.cli.invocation import current
from opsicle.cli.mfa import with_step_up
from opsicle.cli.output import emit, print_json
from opsicle.cli.terminal import echo_document
from opsicle.client.api import Api
from opsicle.domain.errors import (
    Internal,
    NotAuthenticated,
    OpsicleError,
    Problem,
    Unavailable,
    Unreachable,
)
from opsicle.wire.endpoint import Endpoint
from opsicle.wire.policy_api import PolicyVersion
from opsicle.wire.schedule_api import ScheduleVersion
from opsicle.wire.target_api import TargetVersion
from opsicle.wire.template_api import TemplateVersion
from opsicle.wire.trigger_api import TriggerVersion

files_argument = click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=FileName()
)
version_option = click.option(
    "--version",
    type=click.IntRange(min=1),
    metavar="N",
    help="Which version; the newest unless told.",
)
message_option = click.option(
    "-m",
    "--message",
    default="",
    metavar="TEXT",
    help="Why, for those who look at the versions later.",
)
source_option = click.option(
    "--source", is_flag=True, help="Print the document as it was pushed, and nothing else."
)


class PushResult(Protocol):
    """What the server says of a document that it has taken."""

    @property
    def name(self) -> str:
        """The document's name."""

    @property
    def version(self) -> int:
        """The version that it is now."""

    @property
    def is_new(self) -> bool:
        """Whether that version was made for it."""


R = TypeVar("R", bound=PushResult)
T = TypeVar("T")


def push_files(
    files: Sequence[str],
    totp: str | None,
    push: Callable[[Api, str], R],
    remarks: Callable[[R], Sequence[Problem]],
    show: Callable[[R], None] | None = None,
) -> None:
    """Push every file, in order, and print what became of each.

    One makes one JSON object, several an array.

    `push` sends one document, `remarks` are what deserves attention in the answer, and `show`
    prints for people what else it says, at once: a later file may be refused.

    Raises InvalidInput before anything is sent if one of several files is wrong; else what the
    server says of the first that it refuses, after what was pushed until then has been printed.
    """
    sources = [(file, read_source(Path(file))) for file in files]
    if len(files) > 1:
        refuse_wrong(sources)
    pushed: list[R] = []
    try:
        for file, source in sources:
            done = with_step_up(totp, lambda api, source=source: push(api, source))  # type: ignore[misc]
            warn(located_in(file, problem) for problem in remarks(done))
            pushed.append(done)
            if not current().wants_json:
                _print_push(done)
                if show:
                    show(done)
    except BaseException as error:
        _add_what_was_done(error, files, len(pushed))
        if pushed:
            _print(pushed)
        raise
    _print(pushed if len(files) > 1 else pushed[0])


def _print_push(done: PushResult) -> None:
    outcome = "pushed" if done.is_new else "unchanged"
    click.echo(f"{done.name} version {done.version} {outcome}")


def _print(result: object) -> None:
    if current().wants_json:
        print_json(result)


def _add_what_was_done(error: BaseException, files: Sequence[str], count: int) -> None:
    """Let an error of ours name the file that it is about, and those that were not pushed.

    Where no answer came, or none of the server's own, that file may have been pushed all the same.
    """
    if not isinstance(error, OpsicleError):
        return
    if not isinstance(error, NotAuthenticated | Unreachable):  # which no file is to blame for
        error.message = f"{files[count]}: {error.message}"
    parts = [error.hint]
    if isinstance(error, Unreachable | Unavailable | Internal):
        parts.append(f"Perhaps pushed: {files[count]}; pushing it again does no harm.")
        count += 1
    if len(files) > 1 and files[count:]:
        parts.append(f"Not pushed: {', '.join(files[count:])}.")
    error.hint = " ".join(filter(None, parts))


def fetch(
    api: Api, newest: Endpoint[T], one_version: Endpoint[T], name: str, version: int | None
) -> T:
    """Return one version of a document, the newest unless told."""
    if version is None:
        return api.call(newest, name)
    return api.call(one_version, name, str(version))


def show_version(
    found: TemplateVersion | PolicyVersion | ScheduleVersion | TriggerVersion | TargetVersion,
    fields: Sequence[tuple[str, object]],
    *,
    source: bool,
) -> None:
    """Print a version's fields, or with `source` the document alone."""
    if source and not current().wants_json:
        echo_document(found.source)
    else:
        emit(found, fields)


def delete_document(name: str, totp: str | None, call: Callable[[Api], None]) -> None:
    """Take a document out of use, with a code where one is asked for, and say so."""
    with_step_up(totp, call)
    emit({"name": name, "is_deleted": True}, [("deleted", name)])
