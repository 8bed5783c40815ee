"""`opsicle targets`: systems that jobs act on over SSH."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

from opsicle.cli import versioned
from opsicle.cli.errors import warn
from opsicle.cli.known_hosts import known_hosts_option, read_known_hosts
from opsicle.cli.listing import limit
from opsicle.cli.mfa import totp_option, with_step_up
from opsicle.cli.output import Column, emit, emit_list
from opsicle.cli.root import NounGroup
from opsicle.cli.sessions import connect
from opsicle.cli.target_imports import import_
from opsicle.cli.terminal import say
from opsicle.cli.worker import labels_of
from opsicle.client.api import Query
from opsicle.domain.automations import is_final
from opsicle.domain.errors import InvalidInput
from opsicle.domain.target_checks import CheckOutcome, check_outcome
from opsicle.domain.target_writer import written
from opsicle.domain.targets import SSH_PORT, Target
from opsicle.domain.template_parser import parse_target
from opsicle.wire.endpoints import automations
from opsicle.wire.endpoints import targets as endpoints
from opsicle.wire.target_api import (
    PushTargetRequest,
    TargetLastRun,
    TargetSummary,
    TargetVersion,
)

_LOOK_SECONDS = 0.3
"""How often a check asks the server whether it is over."""

F = TypeVar("F", bound=Callable[..., Any])


def _workers(target: TargetSummary) -> str:
    """Return which workers reach a target."""
    labels = ", ".join(f"{key}={value}" for key, value in target.runs_on.items())
    return ", ".join(filter(None, (labels, target.runs_on_where))) or "any"


_COLUMNS = [
    Column("name", lambda target: target.name),
    Column("host", lambda target: target.host),
    Column("port", lambda target: target.port),
    Column("user", lambda target: target.user),
    Column("labels", lambda target: target.labels),
    Column("key", lambda target: target.secret),
    Column("workers", _workers),
]

_VERSION_COLUMNS = [
    Column("version", lambda target: target.version),
    Column("host", lambda target: target.host),
    Column("port", lambda target: target.port),
    Column("user", lambda target: target.user),
    Column("labels", lambda target: target.labels),
    Column("key", lambda target: target.secret),
    Column("pushed", lambda target: target.pushed_at),
    Column("by", lambda target: target.pushed_by.email),
    Column("message", lambda target: target.message),
]


def _succeeded(run: TargetLastRun) -> str:
    """Return the version that last succeeded, and the newest if that is another one."""
    if run.succeeded is None:
        return "none"
    version = run.succeeded.version
    return f"{version} of {run.latest_version}" if run.is_behind else str(version)


def _last_state(run: TargetLastRun) -> str:
    """Return how it went last, and of which version if not of what last succeeded."""
    last, succeeded = run.last_run, run.succeeded
    is_other = succeeded is None or last.version != succeeded.version
    return f"{last.state} (version {last.version})" if is_other else last.state


_LAST_RUN_COLUMNS = [
    Column("target", lambda run: run.target),
    Column("template", lambda run: run.template),
    Column("version", _succeeded),
    Column("succeeded", lambda each: each.succeeded.ended_at if each.succeeded else ""),
    Column("last", _last_state),
    Column("ended", lambda run: run.last_run.ended_at),
]


@click.group(cls=NounGroup)
def targets() -> None:
    """Manage targets, which are systems that jobs act on over SSH."""


@targets.command("list")
@limit
def list_(limit: int | None) -> None:
    """List the targets."""
    emit_list(connect().pages(endpoints.LIST_TARGETS), _COLUMNS, limit=limit)


@targets.command()
@click.argument("name")
@versioned.version_option
@versioned.source_option
def show(name: str, version: int | None, *, source: bool) -> None:
    """Show one target."""
    target = versioned.fetch(connect(), endpoints.SHOW, endpoints.SHOW_VERSION, name, version)
    versioned.show_version(target, _fields(target), source=source)


@targets.command()
@click.argument("name")
@limit
def versions(name: str, limit: int | None) -> None:
    """List the versions of one target."""
    emit_list(connect().pages(endpoints.LIST_VERSIONS, name), _VERSION_COLUMNS, limit=limit)


@targets.command("last-runs")
@click.argument("name", required=False, default="", metavar="[NAME]")
@click.option("--template", metavar="NAME", default="", help="Only of this template.")
@click.option(
    "--attention",
    is_flag=True,
    help="Only what is behind the newest version, or did not succeed last.",
)
@limit
def last_runs(name: str, template: str, *, attention: bool, limit: int | None) -> None:
    """Show which version of each template last succeeded on each target, or on one."""
    query: Query = {"target": name, "template": template, "attention": attention}
    rows = connect().pages(endpoints.LIST_LAST_RUNS, query=query)
    emit_list((each for row in rows for each in row.templates), _LAST_RUN_COLUMNS, limit=limit)


@targets.command()
@versioned.files_argument
@versioned.message_option
@totp_option
def push(files: tuple[str, ...], message: str, totp: str | None) -> None:
    """Make files the newest versions of their targets.

    One file makes one JSON object, several an array.
    """
    versioned.push_files(
        files,
        totp,
        lambda api, source: api.call(endpoints.PUSH, body=PushTargetRequest(source, message)),
        lambda done: done.warnings,
    )


def _parts(command: F) -> F:
    """Give a command an option for each part of a target."""
    for option in (
        click.option("--description", metavar="TEXT", help="What it is."),
        click.option(
            "--where", metavar="EXPR", help="Only workers reach it that fulfil this expression."
        ),
        click.option(
            "--worker-label",
            metavar="K=V",
            multiple=True,
            help="Only workers reach it that were granted this label. May be repeated.",
        ),
        click.option(
            "--label", metavar="K=V", multiple=True, help="A label of it. May be repeated."
        ),
        known_hosts_option,
        click.option(
            "--host-key",
            metavar="KEY",
            multiple=True,
            help="A key by which the host shows itself, as in `ssh-ed25519 AAAA…`. "
            "May be repeated.",
        ),
        click.option(
            "--secret", metavar="NAME", help="The secret that holds the private key for that user."
        ),
        click.option("--user", metavar="USER", help="As whom to log in."),
        click.option("--port", metavar="N", type=click.IntRange(1, 65_535), help="Its SSH port."),
        click.option("--host", metavar="HOST", help="Its name or address."),
    ):
        command = option(command)
    return command


@targets.command()
@click.argument("name")
@_parts
@totp_option
def create(name: str, totp: str | None, **parts: Any) -> None:
    """Make a new target of its parts. `push` makes one of a file."""
    for needed in ("host", "user", "secret"):
        if not parts[needed]:
            raise click.UsageError(f"a new target needs --{needed}")
    if not parts["host_key"] and not parts["known_hosts"]:
        raise click.UsageError("a new target needs --host-key or --known-hosts")
    new = Target(name=name, host="", user="", host_keys=(), secret="")
    _push(_with_parts(new, **parts), 0, totp)


@targets.command()
@click.argument("name")
@_parts
@click.option("--no-labels", is_flag=True, help="Take all labels from it.")
@click.option(
    "--no-worker-labels", is_flag=True, help="Ask no labels of the workers that reach it."
)
@totp_option
def update(
    name: str, totp: str | None, *, no_labels: bool, no_worker_labels: bool, **parts: Any
) -> None:
    """Change parts of a target; labels and host keys take the place of those that it has.

    An empty --where or --description takes away what there is. Its document is written anew,
    without comments. `push` takes a file as it is.
    """
    for taken, option in ((no_labels, "label"), (no_worker_labels, "worker-label")):
        if taken and parts[option.replace("-", "_")]:
            raise click.UsageError(f"--{option} and --no-{option}s exclude each other")
    is_given = any(part is not None and part != () for part in parts.values())
    if not (is_given or no_labels or no_worker_labels):
        raise click.UsageError("say what to change; `opsicle targets update --help` lists it")
    newest = connect().call(endpoints.SHOW, name)
    target = parse_target(newest.source.encode())
    target = msgspec.structs.replace(
        target,
        labels={} if no_labels else target.labels,
        runs_on={} if no_worker_labels else target.runs_on,
    )
    _push(_with_parts(target, **parts), newest.version, totp)


@targets.command()
@click.argument("name")
@totp_option
def delete(name: str, totp: str | None) -> None:
    """Take a target out of use. What was to run on it and has not begun will not."""
    versioned.delete_document(name, totp, lambda api: api.call(endpoints.DELETE, name))


@targets.command()
@click.argument("name")
@totp_option
def check(name: str, totp: str | None) -> None:
    """Let a worker that reaches a target log in to it, and say what came of it.

    It is an automation of the template `check-targets`, which the org gets with its first check.
    Exit code 0: the target is reachable; 1: it is not, or could not be checked.
    """
    api = connect()
    made = with_step_up(totp, lambda api: api.call(endpoints.CHECK, name))
    if not is_final(made.state):
        say(f"The automation {made.id} checks it; Ctrl-C ends only the waiting.")
    while not is_final(made.state):
        time.sleep(_LOOK_SECONDS)
        made = api.call(automations.SHOW, made.id)

    (target,) = made.targets
    reason = target.reason or made.explanation
    outcome = check_outcome(target.state, reason)
    emit(
        {"name": name, "outcome": outcome, "reason": reason, "automation": made.id},
        [("name", name), ("outcome", outcome), ("why", reason), ("automation", made.id)],
    )
    if outcome is not CheckOutcome.REACHABLE:
        click.get_current_context().exit(1)


targets.add_command(import_)


def _push(target: Target, expected_version: int, totp: str | None) -> None:
    request = PushTargetRequest(written(target), expected_version=expected_version)
    done = with_step_up(totp, lambda api: api.call(endpoints.PUSH, body=request))
    warn(problem.message for problem in done.warnings)
    outcome = "pushed" if done.is_new else "unchanged"
    emit(done, [("name", done.name), ("version", done.version), ("outcome", outcome)])


def _with_parts(  # noqa: PLR0913 - a parameter for each option
    target: Target,
    *,
    host: str | None,
    port: int | None,
    user: str | None,
    secret: str | None,
    host_key: tuple[str, ...],
    known_hosts: str | None,
    label: tuple[str, ...],
    worker_label: tuple[str, ...],
    where: str | None,
    description: str | None,
) -> Target:
    """Return a target with those parts changed that were given."""
    changed = msgspec.structs.replace(
        target,
        host=host or target.host,
        port=port or target.port,
        user=user or target.user,
        secret=secret or target.secret,
        host_keys=host_key or target.host_keys,
        labels=labels_of(label) or target.labels,
        runs_on=labels_of(worker_label) or target.runs_on,
        runs_on_where=target.runs_on_where if where is None else where,
        description=target.description if description is None else description,
    )
    if known_hosts is None:
        return changed
    found = read_known_hosts(known_hosts).keys_of(changed.host, changed.port)
    if not found:
        raise InvalidInput(
            f"{known_hosts} has no key of {_named(changed)}",
            hint="`ssh-keyscan` asks the network; better ask whoever runs the host.",
        )
    return msgspec.structs.replace(changed, host_keys=(*host_key, *found))


def _named(target: Target) -> str:
    return target.host if target.port == SSH_PORT else f"[{target.host}]:{target.port}"


def _fields(target: TargetVersion) -> list[tuple[str, object]]:
    return [
        ("name", target.name),
        ("version", f"{target.version} of {target.latest_version}"),
        ("description", target.description),
        ("labels", target.labels),
        ("host", target.host),
        ("port", target.port),
        ("user", target.user),
        ("host keys", [f"{key.key.split()[0]} {key.fingerprint}" for key in target.host_keys]),
        ("private key", f"secret {target.secret}"),
        ("workers", _workers(target)),
        ("pushed", target.pushed_at),
        ("pushed by", target.pushed_by.email),
        ("message", target.message),
        ("digest", target.digest),
    ]
