"""`opsicle triggers`: what starts templates when a webhook comes in."""

from __future__ import annotations

from pathlib import Path

import click

from opsicle.cli import versioned
from opsicle.cli.documents import read_source
from opsicle.cli.errors import warn
from opsicle.cli.input_files import FileName
from opsicle.cli.listing import limit
from opsicle.cli.mfa import totp_option, with_step_up
from opsicle.cli.output import Column, emit, emit_list
from opsicle.cli.root import NounGroup
from opsicle.cli.sessions import connect
from opsicle.wire.document_api import PushRequest
from opsicle.wire.endpoints import triggers as endpoints
from opsicle.wire.trigger_api import SampleCall, TriggerCall, TriggerPushed, TriggerVersion


def _outcome(call: TriggerCall | None) -> str:
    """Return what became of a call: how the automation ended, if one was started."""
    if call is None:
        return ""
    is_started = call.outcome == "started"
    return str(call.automation_state) if is_started and call.automation_state else call.outcome


_COLUMNS = [
    Column("name", lambda trigger: trigger.name),
    Column("state", lambda trigger: trigger.state),
    Column("template", lambda trigger: trigger.template),
    Column("verify", lambda trigger: trigger.verify),
    Column("called", lambda trigger: trigger.last_call.at if trigger.last_call else None),
    Column("last", lambda trigger: _outcome(trigger.last_call)),
    Column("runs as", lambda trigger: trigger.runs_as.email),
]

_VERSION_COLUMNS = [
    Column("version", lambda trigger: trigger.version),
    Column("template", lambda trigger: trigger.template),
    Column("verify", lambda trigger: trigger.verify),
    Column("runs as", lambda trigger: trigger.runs_as.email),
    Column("pushed", lambda trigger: trigger.pushed_at),
    Column("by", lambda trigger: trigger.pushed_by.email),
    Column("message", lambda trigger: trigger.message),
]

_CALL_COLUMNS = [
    Column("at", lambda call: call.at),
    Column("outcome", _outcome),
    Column("automation", lambda call: call.automation_id),
    Column("from", lambda call: call.address),
    Column("values", lambda call: call.values),
    Column("bytes", lambda call: call.body_bytes),
    Column("why", lambda call: call.reason),
]


@click.group(cls=NounGroup)
def triggers() -> None:
    """Run templates when webhooks come in."""


@triggers.command()
@versioned.files_argument
@versioned.message_option
@totp_option
def push(files: tuple[str, ...], message: str, totp: str | None) -> None:
    """Make files the newest versions of their triggers, and print where to send webhooks.

    One file makes one JSON object, several an array.

    A trigger runs as you, or as the service account that its `runAs` names. Its secret is shown
    once: when it is first pushed, and when you take over somebody else's.
    """
    versioned.push_files(
        files,
        totp,
        lambda api, source: api.call(endpoints.PUSH, body=PushRequest(source, message)),
        lambda done: done.warnings,
        _print_address,
    )


@triggers.command("list")
@limit
def list_(limit: int | None) -> None:
    """List the triggers with what became of the last call of each."""
    emit_list(connect().pages(endpoints.LIST_TRIGGERS), _COLUMNS, limit=limit)


@triggers.command()
@click.argument("name")
@versioned.version_option
@versioned.source_option
def show(name: str, version: int | None, *, source: bool) -> None:
    """Show one trigger."""
    trigger = versioned.fetch(connect(), endpoints.SHOW, endpoints.SHOW_VERSION, name, version)
    versioned.show_version(trigger, _fields(trigger), source=source)


@triggers.command()
@click.argument("name")
@limit
def versions(name: str, limit: int | None) -> None:
    """List the versions of one trigger."""
    emit_list(connect().pages(endpoints.LIST_VERSIONS, name), _VERSION_COLUMNS, limit=limit)


@triggers.command()
@click.argument("name")
@limit
def calls(name: str, limit: int | None) -> None:
    """List the newest calls of a trigger and what became of each."""
    emit_list(connect().pages(endpoints.LIST_CALLS, name), _CALL_COLUMNS, limit=limit)


@triggers.command("test")
@click.argument("name")
@click.argument("file", metavar="FILE", type=FileName())
@click.option("--send", is_flag=True, help="Call it for real: what it starts runs.")
def send_sample(name: str, file: str, *, send: bool) -> None:
    """Say what a sample body would start, signed as the trigger's sender signs.

    FILE holds the body (`-`: stdin).
    """
    sample = SampleCall(body=read_source(Path(file)), is_real=send)
    found = connect().call(endpoints.SAMPLE, name, body=sample)
    started = "started" if send else "would start"
    emit(
        found,
        [
            ("outcome", started if found.outcome == "started" else found.outcome),
            ("why", found.reason),
            ("problems", [f"{each.path}: {each.message}" for each in found.problems]),
            ("signed by", found.headers),
            ("template", f"{found.template} v{found.version}" if found.template else ""),
            ("values", found.values),
            ("automation", found.automation_id),
        ],
    )


@triggers.command()
@click.argument("name")
@totp_option
def secret(name: str, totp: str | None) -> None:
    """Give a trigger a new secret, which is shown once; the old one works no longer."""
    made = with_step_up(totp, lambda api: api.call(endpoints.NEW_SECRET, name))
    emit(made, [("name", made.name), ("url", made.url), ("secret", made.secret)])
    warn(["Keep the secret now: it is not shown again."])


@triggers.command()
@click.argument("name")
def pause(name: str) -> None:
    """Let a trigger start nothing until it is resumed."""
    trigger = connect().call(endpoints.PAUSE, name)
    emit(trigger, _fields(trigger))


@triggers.command()
@click.argument("name")
def resume(name: str) -> None:
    """Let a paused trigger take calls again."""
    trigger = connect().call(endpoints.RESUME, name)
    emit(trigger, _fields(trigger))


@triggers.command()
@click.argument("name")
@totp_option
def delete(name: str, totp: str | None) -> None:
    """Take a trigger out of use, with its secret. What it has started goes on."""
    versioned.delete_document(name, totp, lambda api: api.call(endpoints.DELETE, name))


def _print_address(done: TriggerPushed) -> None:
    click.echo(f"url     {done.url}")
    if done.secret:
        click.echo(f"secret  {done.secret}")
        warn(["Keep the secret now: it is not shown again."])


def _fields(trigger: TriggerVersion) -> list[tuple[str, object]]:
    last, dedupe = trigger.last_call, trigger.dedupe
    return [
        ("name", trigger.name),
        ("state", trigger.state),
        ("url", trigger.url),
        ("version", f"{trigger.version} of {trigger.latest_version}"),
        ("template", trigger.template),
        ("verify", trigger.verify),
        ("values", trigger.values),
        ("from the body", {name: field.pointer for name, field in trigger.fields.items()}),
        ("filter", [condition.pointer for condition in trigger.conditions]),
        ("dedupe", f"{dedupe.pointer} for {dedupe.window} s" if dedupe else ""),
        ("rate", f"{trigger.rate.count} in {trigger.rate.seconds} s"),
        ("last call", last.at if last else None),
        ("outcome", _outcome(last)),
        ("why", last.reason if last else ""),
        ("automation", last.automation_id if last else None),
        ("secret made", trigger.secret_made_at),
        ("runs as", trigger.runs_as.email),
        ("pushed", trigger.pushed_at),
        ("pushed by", trigger.pushed_by.email),
        ("message", trigger.message),
        ("digest", trigger.digest),
    ]
