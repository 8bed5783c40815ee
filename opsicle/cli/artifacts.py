"""`opsicle artifacts`: the files that automations left behind."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from opsicle.cli.input_files import STDIN, FileName
from opsicle.cli.output import Column, emit_list
from opsicle.cli.output_files import write_whole
from opsicle.cli.root import NounGroup
from opsicle.cli.sessions import connect
from opsicle.cli.terminal import printable, say
from opsicle.client.artifacts import download
from opsicle.domain.errors import Conflict, NotFound
from opsicle.domain.problems import nearest, quoted
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
    """Take the files that automations left behind."""


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
@click.option(
    "--to",
    metavar="FILE",
    type=FileName(),
    help="Where to write it; - is standard output. "
    "Unless told, a file of its own name in this folder, which must not exist.",
)
def get(automation_id: str, path: str, to: str | None) -> None:
    """Write a file that an automation left behind, by its PATH in the list."""
    api = connect()
    artifact = _find(api.call(endpoints.SHOW, automation_id), path)
    pieces = download(api, artifact)
    if to == STDIN:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return

    target = Path(to) if to else _own_name(path)
    write_whole(target, pieces)
    say(f"{printable(path)} is in {printable(str(target))}, {artifact.size} bytes.")


def _find(automation: Automation, path: str) -> Artifact:
    found = {artifact.path: artifact for artifact in automation.artifacts}
    if path in found:
        return found[path]
    for missing in automation.artifacts_missing:
        if missing.path == path:
            raise NotFound(f"{quoted(path)} was not kept: {missing.problem}")
    raise NotFound(
        f"the automation left no {quoted(path)}{nearest(path, found)}",
        hint=f"`opsicle artifacts list {automation.id}` shows what it left.",
    )


def _own_name(path: str) -> Path:
    target = Path(path.rpartition("/")[2])
    if target.is_symlink() or target.exists():
        raise Conflict(
            f"there is a file {quoted(str(target))} in this folder already",
            hint="Say with --to where to write it.",
        )
    return target
