"""`opsicle users`: the people of the org."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from opsicle.cli.accounts import password_file
from opsicle.cli.output import Column, emit, emit_list
from opsicle.cli.root import Noun
from opsicle.cli.sessions import connect
from opsicle.cli.terminal import read_password
from opsicle.cli.workers import limit

if TYPE_CHECKING:
    from opsicle.wire.user_api import UpdateUserRequest, User

ROLES = ("admin", "operator", "member", "reporter")

_COLUMNS = [
    Column("id", lambda user: user.id),
    Column("email", lambda user: user.email),
    Column("name", lambda user: user.name),
    Column("role", lambda user: user.role),
    Column("manager", lambda user: user.manager),
    Column("disabled", lambda user: user.is_disabled),
    Column("created", lambda user: user.created_at),
]


@click.group(cls=Noun)
def users() -> None:
    """The people of your org."""


@users.command("list")
@limit
def list_(limit: int | None) -> None:
    """List the people of the org."""
    emit_list(connect().users(), _COLUMNS, limit=limit)


@users.command()
@click.argument("user")
def show(user: str) -> None:
    """Show one person, by id or e-mail address."""
    _emit(connect().user(user))


@users.command()
@click.option("--email", metavar="E", required=True, help="Their e-mail address.")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What they are in the org.")
@click.option("--manager", metavar="EMAIL", help="Who their manager is.")
@click.option("--name", metavar="N", default="", help="Their name.")
@password_file
def create(email: str, role: str, manager: str | None, name: str, password_file: str | None) -> None:
    """Add a person to the org."""
    from opsicle.domain.access import Role
    from opsicle.wire.user_api import CreateUserRequest

    request = CreateUserRequest(
        email=email, role=Role(role), manager=manager, name=name, password=read_password(password_file, is_new=True)
    )
    _emit(connect().create_user(request))


@users.command()
@click.argument("user")
@click.option("--role", type=click.Choice(ROLES), help="What they are in the org from now on.")
@click.option("--manager", metavar="EMAIL", help="Who their manager is; an empty text for nobody.")
@click.option("--name", metavar="N", help="Their name.")
@click.option("--disable/--enable", default=None, help="Whether they are shut out.")
@password_file
def update(user: str, **changes: str | bool | None) -> None:
    """Change what is given of one person, by id or e-mail address."""
    from opsicle.domain.errors import UsageError

    given = {name: value for name, value in changes.items() if value is not None}
    if not given:
        raise UsageError("nothing to change is given", hint="`opsicle users update --help` shows what can be.")
    _emit(connect().update_user(user, _update_request(given)))


@users.command()
@click.argument("user")
def delete(user: str) -> None:
    """Remove a person from the org, by id or e-mail address."""
    connect().delete_user(user)
    emit({"user": user, "is_deleted": True}, [("deleted", user)])


def _update_request(given: dict[str, str | bool]) -> UpdateUserRequest:
    import msgspec

    from opsicle.wire.user_api import UpdateUserRequest

    changes: dict[str, str | bool | None] = dict(given)
    if "password_file" in given:
        changes["password"] = read_password(str(changes.pop("password_file")))
    if "disable" in given:
        changes["is_disabled"] = changes.pop("disable")
    if given.get("manager") == "":
        changes["manager"] = None
    return msgspec.convert(changes, UpdateUserRequest)


def _emit(user: User) -> None:
    emit(user, [(column.heading, column.value(user)) for column in _COLUMNS])
