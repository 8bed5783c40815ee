"""`opsicle artifacts`: the files that automations left behind."""

from __future__ import annotations

import click

from opsicle.cli.output import Column, emit_list
from opsicle.cli.output_files import hand_over, to_option
from opsicle.cli.root import NounGroup
from opsicle.cli.sessions import connect
from opsicle.cli.terminal import printable, say
from opsicle.client.downloads import download_artifact
from opsicle.domain.errors import NotFound
from opsicle.domain.problems import did_you_mean, quoted
from opsicle.wire.artifact_api import Artifact
from opsicle.wire.endpoints import automations as endpoints
from opsicle.wire.user_api import Automation

_COLUMNS = [
    Column("path", lambda artifact: artifact.path),
    Column("size", lambda artifact: artifact.size),
    Column("phase", lambda artifact: artifact.phase),
    Column("sha256", lambda artifact: artifact.sha256),
    Column("problem", lambda artifact: artifact.problem),
]


@click.group(cls=NounGroup)
def artifacts() -> None:
    """List and get the files that automations left behind."""


@artifacts.command("list")
@click.argument("automation_id", metavar="ID")
def list_(automation_id: str) -> None:
    """List the files that an automation left behind."""
    automation = connect().call(endpoints.SHOW, automation_id)
    emit_list(automation.artifacts, _COLUMNS, limit=None, table_limit=1000)
    for missing in automation.artifacts_missing:
        say(f"not kept: {printable(missing.path)}: {printable(missing.problem)}")


@artifacts.command()
@click.argument("automation_id", metavar="ID")
@click.argument("path")
@to_option
def get(automation_id: str, path: str, to: str | None) -> None:
    """Write a file that an automation left behind, by its PATH in the list."""
    api = connect()
    artifact = _find(api.call(endpoints.SHOW, automation_id), path)
    hand_over(download_artifact(api, artifact), artifact.size, path, to)


def _find(automation: Automation, path: str) -> Artifact:
    found = {artifact.path: artifact for artifact in automation.artifacts}
    if path in found:
        return found[path]
    for missing in automation.artifacts_missing:
        if missing.path == path:
            raise NotFound(f"{quoted(path)} was not kept: {missing.problem}")
    raise NotFound(
        f"the automation left no {quoted(path)}{did_you_mean(path, found)}",
        hint=f"`opsicle artifacts list {automation.id}` shows what it left.",
    )
