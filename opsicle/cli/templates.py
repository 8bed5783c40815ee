"""`opsicle templates`: checking, pushing and reading templates."""

from __future__ import annotations

import click

from opsicle.cli import versioned
from opsicle.cli.documents import check_file
from opsicle.cli.errors import located_in, warn
from opsicle.cli.invocation import current
from opsicle.cli.listing import limit
from opsicle.cli.mfa import totp_option
from opsicle.cli.output import Column, emit_list, print_json
from opsicle.cli.root import NounGroup
from opsicle.cli.sessions import connect
from opsicle.cli.terminal import echo_document, printable, say
from opsicle.client.api import Api
from opsicle.domain.errors import InvalidInput, VersionConflict
from opsicle.domain.fan_outs import FanOut, FanOutKind, fan_out_text
from opsicle.domain.templates import Concurrency, Notify, Phase, When
from opsicle.wire.document_api import PushTemplateRequest
from opsicle.wire.endpoints import templates as endpoints
from opsicle.wire.endpoints.roles import LIST_RUNNERS
from opsicle.wire.template_api import Pushed, TemplateVersion

_COLUMNS = [
    Column("name", lambda template: template.name),
    Column("version", lambda template: template.version),
    Column("title", lambda template: template.display_name),
    Column("needs approval", lambda template: template.needs_approval),
    Column("updated", lambda template: template.updated_at),
]
_VERSION_COLUMNS = [
    Column("version", lambda version: version.version),
    Column("pushed", lambda version: version.pushed_at),
    Column("by", lambda version: version.pushed_by.email),
    Column("message", lambda version: version.message),
    Column("digest", lambda version: version.digest),
]
_RUNNER_COLUMNS = [
    Column("email", lambda person: person.email),
    Column("name", lambda person: person.name),
    Column("by", lambda person: person.why),
]


@click.group(cls=NounGroup)
def templates() -> None:
    """Manage templates, the runbooks."""


@templates.command()
@versioned.files_argument
def validate(files: tuple[str, ...]) -> InvalidInput | None:
    """Check files without any server. One file makes one JSON object, several make an array."""
    checked = [check_file(file) for file in files]
    for check in checked:
        warn(located_in(check.file, problem) for problem in check.warnings)
        for problem in check.errors:
            say(located_in(check.file, problem))
        if check.error:
            say(printable(f"{check.file}: {check.error.message}"))
        elif not current().wants_json:
            click.echo(printable(f"{check.file}: {check.type} {check.name} is valid"))
            for note in check.notes:
                click.echo(printable(f"{check.file}: {note}"))
    if current().wants_json:
        documents = [check.document() for check in checked]
        print_json(documents[0] if len(files) == 1 else documents)
    return next((check.error for check in checked if check.error), None)


@templates.command()
def schema() -> None:
    """Print the JSON Schema of templates, for editors that check as one types."""
    from opsicle.domain.template_schema import template_schema

    print_json(template_schema())


@templates.command()
@versioned.files_argument
@versioned.message_option
@click.option(
    "--expected-version",
    type=click.IntRange(min=0),
    metavar="N",
    help="For one file: refuse unless N is the newest version, 0 unless there is none.",
)
@totp_option
def push(
    files: tuple[str, ...], message: str, expected_version: int | None, totp: str | None
) -> None:
    """Make files the newest versions of their templates.

    One file makes one JSON object, several an array.

    Several are checked before the first is sent. Changing who must approve one takes the right to
    manage policies.
    """
    if expected_version is not None and len(files) > 1:
        raise click.UsageError("--expected-version is for one file.")
    versioned.push_files(
        files,
        totp,
        lambda api, source: _push(api, PushTemplateRequest(source, message, expected_version)),
        lambda done: done.warnings,
    )


def _push(api: Api, request: PushTemplateRequest) -> Pushed:
    """Push a template; where somebody else was first, say what they have changed."""
    try:
        return api.call(endpoints.PUSH, body=request)
    except VersionConflict:
        if request.expected_version:
            from opsicle.domain.template_parser import parse_template

            name = parse_template(request.source.encode()).name
            found = api.call(endpoints.DIFF, name, query={"from": request.expected_version})
            for line in found.diff.splitlines():
                say(printable(line))
        raise


@templates.command("list")
@limit
def list_(limit: int | None) -> None:
    """List the templates in their newest versions."""
    emit_list(connect().pages(endpoints.LIST_TEMPLATES), _COLUMNS, limit=limit)


@templates.command()
@click.argument("name")
@versioned.version_option
@versioned.source_option
def show(name: str, version: int | None, *, source: bool) -> None:
    """Show one template."""
    template = versioned.fetch(connect(), endpoints.SHOW, endpoints.SHOW_VERSION, name, version)
    versioned.show_version(template, _fields(template), source=source)


@templates.command()
@click.argument("name")
@limit
def versions(name: str, limit: int | None) -> None:
    """List the versions of one template."""
    emit_list(connect().pages(endpoints.LIST_VERSIONS, name), _VERSION_COLUMNS, limit=limit)


@templates.command()
@click.argument("name")
@click.argument("old", metavar="A", type=click.IntRange(min=1))
@click.argument("new", metavar="B", type=click.IntRange(min=1))
def diff(name: str, old: int, new: int) -> None:
    """Show how version A became version B."""
    found = connect().call(endpoints.DIFF, name, query={"from": old, "to": new})
    if current().wants_json:
        print_json(found)
    elif found.diff:
        echo_document(found.diff)


@templates.command()
@click.argument("name")
@limit
def runners(name: str, limit: int | None) -> None:
    """List who may run one template, and by which role or group."""
    emit_list(connect().pages(LIST_RUNNERS, name), _RUNNER_COLUMNS, limit=limit)


@templates.command()
@click.argument("name")
@totp_option
def delete(name: str, totp: str | None) -> None:
    """Take a template out of use. Its automations stay."""
    versioned.delete_document(name, totp, lambda api: api.call(endpoints.DELETE, name))


def _phase_text(phase: Phase) -> str:
    """Return a phase in short: its name, and when it runs, and what it does unless commands."""
    parts = [f"when {phase.when}"] if phase.when is not When.SUCCESS else []
    parts += [f"in {phase.image}"] if phase.image else []
    parts += ["asks people"] if phase.pause else []
    parts += [f"calls {call.template}" for call in phase.calls]
    return f"{phase.name} ({'; '.join(parts)})" if parts else phase.name


def _each_text(fan_out: FanOut) -> str:
    what = "worker" if fan_out.kind is FanOutKind.EACH else "target"
    named = f" of {', '.join(fan_out.names)}" if fan_out.names else ""
    return f"{what}{named}, {fan_out_text(fan_out.parallel, fan_out.max_failures, fan_out.timeout)}"


def _fields(template: TemplateVersion) -> list[tuple[str, object]]:
    return [
        ("name", template.name),
        ("version", f"{template.version} of {template.latest_version}"),
        ("title", template.display_name),
        ("description", template.description),
        ("owners", [f"{owner.name} <{owner.email}>" for owner in template.owners]),
        ("variables", [f"{variable.id} ({variable.type})" for variable in template.variables]),
        ("plan", [_phase_text(phase) for phase in template.plan]),
        ("phases", [_phase_text(phase) for phase in template.phases]),
        ("runs on", template.runs_on),
        ("runs where", template.runs_on_where),
        ("runs on each", _each_text(template.fan_out) if template.fan_out else ""),
        ("priority", template.priority),
        ("group", _group(template.concurrency)),
        ("most waiting", template.max_waiting),
        ("workspace kept", f"{template.keep_workspace} s" if template.keep_workspace else ""),
        ("ends after", f"{template.timeout} s" if template.timeout else ""),
        ("on success", [f"starts {call.template}" for call in template.on_success]),
        ("on failure", [f"starts {call.template}" for call in template.on_failure]),
        ("takes its word", template.accepts_claimed),
        ("needs approval", template.needs_approval),
        ("needs a code", template.needs_mfa),
        ("tells", [_notify_text(notify) for notify in template.notify]),
        ("pushed", template.pushed_at),
        ("pushed by", template.pushed_by.email),
        ("message", template.message),
        ("digest", template.digest),
    ]


def _group(concurrency: Concurrency | None) -> str:
    if concurrency is None:
        return ""
    name = "/".join([concurrency.group, *(f"<{variable}>" for variable in concurrency.by)])
    return f"{name}, at most {concurrency.limit} at once, else {concurrency.on_limit}"


def _notify_text(notify: Notify) -> str:
    rooms = [f"{chat.channel} {chat.id}" for chat in notify.chats]
    groups = [f"group {name}" for name in notify.groups]
    ends = ", ".join(state.replace("_", " ") for state in notify.states)
    return f"{', '.join([*notify.users, *groups, *rooms])} ({ends or 'however it ends'})"
