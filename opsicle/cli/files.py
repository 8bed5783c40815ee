"""`opsicle files`: the files that automations were given."""

from __future__ import annotations

import click

from opsicle.cli.output import Column, emit_list
from opsicle.cli.output_files import hand_over, to_option
from opsicle.cli.root import NounGroup
from opsicle.cli.sessions import connect
from opsicle.client.downloads import download_file
from opsicle.domain.errors import NotFound
from opsicle.domain.problems import did_you_mean, quoted
from opsicle.wire.endpoints import automations as endpoints
from opsicle.wire.file_api import AutomationFile
from opsicle.wire.user_api import Automation

_COLUMNS = [
    Column("variable", lambda file: file.variable),
    Column("name", lambda file: file.name),
    Column("size", lambda file: file.size),
    Column("sha256", lambda file: file.sha256),
    Column("problem", lambda file: file.problem),
]


@click.group(cls=NounGroup)
def files() -> None:
    """List and get the files that automations were given."""


@files.command("list")
@click.argument("automation_id", metavar="ID")
def list_(automation_id: str) -> None:
    """List the files that an automation was given."""
    automation = connect().call(endpoints.SHOW, automation_id)
    emit_list(automation.files, _COLUMNS, limit=None, table_limit=1000)


@files.command()
@click.argument("automation_id", metavar="ID")
@click.argument("name")
@to_option
def get(automation_id: str, name: str, to: str | None) -> None:
    """Write a file that an automation was given, by its NAME or variable in the list.

    Where that fits several, the first one.
    """
    api = connect()
    file = _find(api.call(endpoints.SHOW, automation_id), name)
    hand_over(download_file(api, file), file.size, file.name, to)


def _find(automation: Automation, name: str) -> AutomationFile:
    for file in automation.files:
        if name in {file.name, file.variable}:
            return file
    known = [file.name for file in automation.files]
    raise NotFound(
        f"the automation was given no {quoted(name)}{did_you_mean(name, known)}",
        hint=f"`opsicle files list {automation.id}` shows what it was given.",
    )
