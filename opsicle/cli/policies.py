"""`opsicle policies`: who must agree before templates run."""

from __future__ import annotations

import click

from opsicle.cli import versioned
from opsicle.cli.listing import limit
from opsicle.cli.mfa import totp_option
from opsicle.cli.output import Column, emit, emit_list
from opsicle.cli.root import NounGroup
from opsicle.cli.run_previews import gate_fields
from opsicle.cli.sessions import connect
from opsicle.domain.policies import Approvers, Condition, Gate, Scope
from opsicle.wire.document_api import PushRequest
from opsicle.wire.endpoints import policies as endpoints
from opsicle.wire.endpoints.approvals import PREVIEW
from opsicle.wire.policy_api import PolicyVersion

_COLUMNS = [
    Column("name", lambda policy: policy.name),
    Column("version", lambda policy: policy.version),
    Column("gates", lambda policy: policy.gate_names),
    Column("by itself", lambda policy: policy.is_default),
    Column("pushed", lambda policy: policy.pushed_at),
    Column("by", lambda policy: policy.pushed_by.email),
    Column("message", lambda policy: policy.message),
]


@click.group(cls=NounGroup)
def policies() -> None:
    """Manage approval policies, which say who must agree before a template runs."""


@policies.command()
@versioned.files_argument
@versioned.message_option
@totp_option
def push(files: tuple[str, ...], message: str, totp: str | None) -> None:
    """Make files the newest versions of their policies.

    One file makes one JSON object, several an array.

    `opsicle templates validate` checks them without any server.
    """
    versioned.push_files(
        files,
        totp,
        lambda api, source: api.call(endpoints.PUSH, body=PushRequest(source, message)),
        lambda done: done.warnings,
    )


@policies.command("list")
@limit
def list_(limit: int | None) -> None:
    """List the policies in their newest versions."""
    emit_list(connect().pages(endpoints.LIST_POLICIES), _COLUMNS, limit=limit)


@policies.command()
@click.argument("template")
@click.option("--requester", metavar="EMAIL", default="", help="Who would run it; you unless told.")
def simulate(template: str, requester: str) -> None:
    """Show who would have to agree if somebody ran a template now, and run nothing."""
    need = connect().call(PREVIEW, template, query={"requester": requester})
    fields: list[tuple[str, object]] = [
        ("needs approval", need.is_needed),
        ("policy", need.policy),
        ("cannot be given because", need.problem),
    ]
    emit(need, [*fields, *gate_fields(need)])


@policies.command()
@click.argument("name")
@versioned.version_option
@versioned.source_option
def show(name: str, version: int | None, *, source: bool) -> None:
    """Show one policy."""
    policy = versioned.fetch(connect(), endpoints.SHOW, endpoints.SHOW_VERSION, name, version)
    versioned.show_version(policy, _fields(policy), source=source)


@policies.command()
@click.argument("name")
@limit
def versions(name: str, limit: int | None) -> None:
    """List the versions of one policy."""
    emit_list(connect().pages(endpoints.LIST_VERSIONS, name), _COLUMNS, limit=limit)


@policies.command()
@click.argument("name")
@totp_option
def delete(name: str, totp: str | None) -> None:
    """Take a policy out of use. What it has let pass and does not run yet will not run."""
    versioned.delete_document(name, totp, lambda api: api.call(endpoints.DELETE, name))


def _fields(policy: PolicyVersion) -> list[tuple[str, object]]:
    return [
        ("name", policy.name),
        ("version", f"{policy.version} of {policy.latest_version}"),
        ("order", policy.order),
        *(("applies to", _reach(scope)) for scope in policy.applies_to),
        *((f"gate {gate.name}", _gate_text(gate)) for gate in policy.gates),
        ("pushed", policy.pushed_at),
        ("pushed by", policy.pushed_by.email),
        ("message", policy.message),
        ("digest", policy.digest),
    ]


def _reach(scope: Scope) -> str:
    """Return what a policy applies to by itself, in one line."""
    parts = ["everything that names no policy"] if scope.everything else []
    parts += [
        f"templates labelled {key}={' or '.join(values)}" for key, values in scope.labels.items()
    ]
    parts += [
        f"work for workers with {key}={' or '.join(values)}"
        for key, values in scope.runs_on.items()
    ]

    if scope.requesters:
        asked = ["service accounts"] if scope.requesters.service_accounts else []
        asked += scope.requesters.users
        asked += [f"group {name}" for name in scope.requesters.groups]
        asked += [f"role {name}" for name in scope.requesters.roles]
        parts.append(f"what is run by {' or '.join(asked)}")

    return ", ".join(parts)


def _gate_text(gate: Gate) -> str:
    """Return a gate in one line."""
    parts = [f"{gate.required} of {_people(gate.approvers)}"]
    parts += ["with a fresh code"] if gate.require_mfa else []
    parts += ["with a reason"] if gate.require_reason else []
    parts += ["if " + " and ".join(map(_condition, gate.when))] if gate.when else []
    parts.append(f"within {gate.expires_after:,} s")
    return ", ".join(parts)


def _condition(line: Condition) -> str:
    """Describe for what a gate is asked.

    What is not known is asked as well, which goes without saying.
    """
    what = line.variable or f"the label {line.label}"
    values = " or ".join(
        str(value).lower() if isinstance(value, bool) else str(value) for value in line.any_of
    )
    return (
        f"{what} is {values}"
        if line.any_of
        else f"{what} is not {' or '.join(map(str, line.none_of))}"
    )


def _people(approvers: Approvers) -> str:
    """Return who is named, in words."""
    named = ["the manager"] if approvers.manager else []
    named += approvers.users
    named += [f"group {name}" for name in approvers.groups]
    named += [f"role {name}" for name in approvers.roles]
    named += [f"{chat.channel} user {chat.id}" for chat in approvers.chat_users]
    return " or ".join(named)
