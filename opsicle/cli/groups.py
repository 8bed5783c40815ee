"""`opsicle groups`: people who approve together, or who may the same."""

from __future__ import annotations

import click
import msgspec

from opsicle.cli.errors import warn_of_stuck
from opsicle.cli.listing import limit
from opsicle.cli.mfa import removed, totp_option, with_step_up
from opsicle.cli.output import Column, emit, emit_list
from opsicle.cli.root import NounGroup
from opsicle.cli.rules import given_rules, rule_options
from opsicle.cli.sessions import connect
from opsicle.domain.errors import UsageError
from opsicle.wire.access_api import CreateGroupRequest, Group, UpdateGroupRequest
from opsicle.wire.endpoints import groups as endpoints

_COLUMNS = [
    Column("name", lambda group: group.name),
    Column("members", lambda group: [member.email for member in group.members]),
    Column("rules", lambda group: group.rules),
    Column("description", lambda group: group.description),
]


@click.group(cls=NounGroup)
def groups() -> None:
    """Manage groups of people, which approval policies name and which can have rules."""


@groups.command("list")
@limit
def list_(limit: int | None) -> None:
    """List the groups with their members."""
    emit_list(connect().pages(endpoints.LIST_GROUPS), _COLUMNS, limit=limit)


@groups.command()
@click.argument("group")
def show(group: str) -> None:
    """Show a group, who belongs to it and since when."""
    shown = connect().call(endpoints.SHOW, group)
    joined = [(member.email, member.joined_at) for member in shown.members]
    emit(shown, [*((column.heading, column.value(shown)) for column in _COLUMNS), *joined])


@groups.command()
@click.argument("group")
@click.option("--description", metavar="TEXT", default="", help="What it is for.")
@rule_options("What it lets its members do")
@totp_option
def create(
    group: str, description: str, allow: tuple[str, ...], deny: tuple[str, ...], totp: str | None
) -> None:
    """Make a group without members."""
    request = CreateGroupRequest(
        name=group, description=description, rules=given_rules(allow, deny) or []
    )
    _emit(with_step_up(totp, lambda api: api.call(endpoints.CREATE, body=request)))


@groups.command()
@click.argument("group")
@click.option("--description", metavar="TEXT", help="What it is for from now on.")
@rule_options("What it lets its members do")
@totp_option
def update(
    group: str,
    description: str | None,
    allow: tuple[str, ...],
    deny: tuple[str, ...],
    totp: str | None,
) -> None:
    """Change what is given of a group.

    The rules that are given take the place of all those before; `--allow ""` sets none.
    """
    rules = given_rules(allow, deny)
    if rules is None and description is None:
        raise UsageError(
            "nothing to change is given", hint="`opsicle groups update --help` shows what can be."
        )
    request = UpdateGroupRequest(
        description=msgspec.UNSET if description is None else description,
        rules=msgspec.UNSET if rules is None else rules,
    )
    _emit(with_step_up(totp, lambda api: api.call(endpoints.UPDATE, group, body=request)))


@groups.command()
@click.argument("group")
@click.option("--yes", is_flag=True, help="Also if approvals stick.")
@totp_option
def delete(group: str, *, yes: bool, totp: str | None) -> None:
    """Remove a group; its members lose what it gave them.

    Where that leaves approvals that too few can give, it says so first, and asks on a terminal.
    """
    removed(
        totp,
        lambda api, is_meant: api.call(endpoints.DELETE, group, query={"confirmed": is_meant}),
        yes=yes,
    )
    emit({"group": group, "is_deleted": True}, [("deleted", group)])


@groups.command()
@click.argument("group")
@click.argument("user")
@totp_option
def add(group: str, user: str, totp: str | None) -> None:
    """Let a person join a group, by id or e-mail address."""
    _emit(with_step_up(totp, lambda api: api.call(endpoints.ADD_MEMBER, group, user)))


@groups.command()
@click.argument("group")
@click.argument("user")
@totp_option
def remove(group: str, user: str, totp: str | None) -> None:
    """Take a person out of a group, by id or e-mail address."""
    _emit(with_step_up(totp, lambda api: api.call(endpoints.REMOVE_MEMBER, group, user)))


def _emit(group: Group) -> None:
    warn_of_stuck(group.leaves_stuck)
    emit(group, [(column.heading, column.value(group)) for column in _COLUMNS])
