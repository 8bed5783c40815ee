"""`opsicle roles` and `opsicle can`: who may do what."""

from __future__ import annotations

import click
import msgspec

from opsicle.cli.errors import warn_of_stuck
from opsicle.cli.listing import limit
from opsicle.cli.mfa import totp_option, with_step_up
from opsicle.cli.output import Column, emit, emit_list
from opsicle.cli.root import NounGroup, VerbCommand
from opsicle.cli.rules import given_rules, rule_options
from opsicle.cli.sessions import connect
from opsicle.domain.errors import NotAllowed, UsageError
from opsicle.wire.access_api import CreateRoleRequest, Role, UpdateRoleRequest
from opsicle.wire.endpoints import roles as endpoints

_COLUMNS = [
    Column("name", lambda role: role.name),
    Column("built in", lambda role: role.is_built_in),
    Column("members", lambda role: role.member_count),
    Column("rules", lambda role: role.rules),
    Column("description", lambda role: role.description),
]


@click.group(cls=NounGroup)
def roles() -> None:
    """Show the built-in roles, and manage your org's own."""


@roles.command("list")
@limit
def list_(limit: int | None) -> None:
    """List the roles, with the rules that your org has added."""
    emit_list(connect().pages(endpoints.LIST_ROLES), _COLUMNS, limit=limit)


@roles.command()
@click.argument("role")
def show(role: str) -> None:
    """Show a role and every rule that it gives."""
    _emit(connect().call(endpoints.SHOW, role))


@roles.command()
@click.argument("role")
@click.option("--description", metavar="TEXT", default="", help="What it is for.")
@rule_options("What it lets people do")
@totp_option
def create(
    role: str, description: str, allow: tuple[str, ...], deny: tuple[str, ...], totp: str | None
) -> None:
    """Make a role of your org's own. Without rules it may do nothing."""
    request = CreateRoleRequest(
        name=role, description=description, rules=given_rules(allow, deny) or []
    )
    _emit(with_step_up(totp, lambda api: api.call(endpoints.CREATE, body=request)))


@roles.command()
@click.argument("role")
@click.option("--description", metavar="TEXT", help="What it is for from now on.")
@rule_options("What it lets people do")
@totp_option
def update(
    role: str,
    description: str | None,
    allow: tuple[str, ...],
    deny: tuple[str, ...],
    totp: str | None,
) -> None:
    """Change what is given of a role.

    The rules that are given take the place of all those that your org has set before; `--allow ""`
    sets none.
    """
    rules = given_rules(allow, deny)
    if rules is None and description is None:
        raise UsageError(
            "nothing to change is given", hint="`opsicle roles update --help` shows what can be."
        )
    request = UpdateRoleRequest(
        description=msgspec.UNSET if description is None else description,
        rules=msgspec.UNSET if rules is None else rules,
    )
    _emit(with_step_up(totp, lambda api: api.call(endpoints.UPDATE, role, body=request)))


@roles.command()
@click.argument("role")
@totp_option
def delete(role: str, totp: str | None) -> None:
    """Remove a role of your org's own that nobody has."""
    with_step_up(totp, lambda api: api.call(endpoints.DELETE, role))
    emit({"role": role, "is_deleted": True}, [("deleted", role)])


@click.command(cls=VerbCommand)
@click.argument("user")
@click.argument("action", metavar="ACTION")
@click.argument("resource")
@click.option("--why", is_flag=True, help="Say which rule decides, and whose it is.")
def can(user: str, action: str, resource: str, why: bool) -> NotAllowed | None:
    """Say whether USER may do ACTION with RESOURCE: exit code 0 if so, 3 if not.

    ACTION is view, create, update, delete, execute or manage; RESOURCE as in
    `templates/restart-web` or `secrets`.
    """
    answer = connect().call(
        endpoints.CHECK_PERMISSION, query={"user": user, "action": action, "resource": resource}
    )
    emit(answer, [("allowed", answer.is_allowed), *([("why", answer.why)] if why else [])])
    return None if answer.is_allowed else NotAllowed(answer.why)


def _emit(role: Role) -> None:
    warn_of_stuck(role.leaves_stuck)
    rules = ("rules", [*role.built_in_rules, *role.rules])
    fields = [
        (column.heading, column.value(role)) for column in _COLUMNS if column.heading != "rules"
    ]
    emit(role, [*fields, rules])
