"""`opsicle users`: the people of the org."""

from __future__ import annotations

import click
import msgspec

from opsicle.cli.accounts import password_file
from opsicle.cli.errors import warn_of_stuck
from opsicle.cli.invitations import invitations, invite, reinvite, uninvite
from opsicle.cli.listing import limit
from opsicle.cli.mfa import removed, totp_option, with_step_up
from opsicle.cli.output import Column, emit, emit_list
from opsicle.cli.root import NounGroup
from opsicle.cli.rules import given_rules, rule_options
from opsicle.cli.sessions import connect
from opsicle.cli.terminal import read_password
from opsicle.domain.errors import UsageError
from opsicle.wire.endpoints import identity as identity_endpoints
from opsicle.wire.endpoints import users as endpoints
from opsicle.wire.identity_api import ChangePasswordRequest
from opsicle.wire.user_api import CreateUserRequest, UpdateUserRequest, User

_COLUMNS = [
    Column("id", lambda user: user.id),
    Column("email", lambda user: user.email),
    Column("name", lambda user: user.name),
    Column("role", lambda user: user.role),
    Column("rules", lambda user: user.rules),
    Column(
        "manager",
        lambda user: f"{user.manager} (disabled)" if user.is_manager_disabled else user.manager,
    ),
    Column("disabled", lambda user: user.is_disabled),
    Column("created", lambda user: user.created_at),
]


@click.group(cls=NounGroup)
def users() -> None:
    """Manage the people of your org."""


@users.command("list")
@limit
def list_(limit: int | None) -> None:
    """List the people of the org."""
    emit_list(connect().pages(endpoints.LIST_USERS), _COLUMNS, limit=limit)


@users.command()
@click.argument("user")
def show(user: str) -> None:
    """Show one person, by id or e-mail address."""
    _emit(connect().call(endpoints.SHOW, user))


@users.command()
@click.option("--email", metavar="E", required=True, help="Their e-mail address.")
@click.option(
    "--role",
    metavar="R",
    required=True,
    help="What they are in the org, as in `opsicle roles list`.",
)
@click.option("--manager", metavar="EMAIL", help="Who their manager is.")
@click.option("--name", metavar="N", default="", help="Their name.")
@password_file
@totp_option
def create(
    email: str,
    role: str,
    manager: str | None,
    name: str,
    password_file: str | None,
    totp: str | None,
) -> None:
    """Add a person to the org."""
    request = CreateUserRequest(
        email=email,
        role=role,
        manager=manager,
        name=name,
        password=read_password(password_file, is_new=True),
    )
    _emit(with_step_up(totp, lambda api: api.call(endpoints.CREATE, body=request)))


@users.command()
@click.argument("user")
@click.option("--role", metavar="R", help="What they are in the org from now on.")
@rule_options("What they may do beside their role")
@click.option("--manager", metavar="EMAIL", help="Who their manager is; an empty text for nobody.")
@click.option("--name", metavar="N", help="Their name.")
@click.option("--disable/--enable", default=None, help="Whether they are shut out.")
@password_file
@totp_option
def update(
    user: str,
    allow: tuple[str, ...],
    deny: tuple[str, ...],
    totp: str | None,
    **changes: str | bool | None,
) -> None:
    """Change what is given of one person, by id or e-mail address."""
    given: dict[str, str | bool | list[str]] = {
        name: value for name, value in changes.items() if value is not None
    }
    if (rules := given_rules(allow, deny)) is not None:
        given["rules"] = rules
    if not given:
        raise UsageError(
            "nothing to change is given", hint="`opsicle users update --help` shows what can be."
        )
    request = _update_request(given)
    _emit(with_step_up(totp, lambda api: api.call(endpoints.UPDATE, user, body=request)))


@users.command()
@click.argument("user")
@click.option(
    "--new-owner",
    metavar="EMAIL",
    default="",
    help="Who answers for their service accounts from now on.",
)
@click.option(
    "--yes", is_flag=True, help="Also if service accounts go with them, or approvals stick."
)
@totp_option
def delete(user: str, new_owner: str, *, yes: bool, totp: str | None) -> None:
    """Remove a person from the org, by id or e-mail address.

    Their service accounts go with them, unless somebody else answers for them from now on. Where
    that takes something away, or leaves approvals that too few can give, it says so first, and asks
    on a terminal.
    """
    removed(
        totp,
        lambda api, is_meant: api.call(
            endpoints.DELETE, user, query={"new_owner": new_owner, "confirmed": is_meant}
        ),
        yes=yes,
    )
    emit({"user": user, "is_deleted": True}, [("deleted", user)])


@users.command()
@click.option(
    "--password-file", metavar="FILE", help="File that holds your current password; `-` is stdin."
)
@click.option("--new-password-file", metavar="FILE", help="File that holds the new one.")
@totp_option
def password(password_file: str | None, new_password_file: str | None, totp: str | None) -> None:
    """Change your own password; your other sessions end."""
    old = read_password(password_file, name="Current password")
    new = read_password(
        new_password_file, is_new=True, name="New password", option="--new-password-file"
    )
    with_step_up(
        totp,
        lambda api: api.call(
            identity_endpoints.CHANGE_PASSWORD,
            body=ChangePasswordRequest(current_password=old, password=new),
        ),
    )
    emit({"is_changed": True}, [("password", "changed")])


@users.command()
@click.argument("user")
@totp_option
def reset(user: str, totp: str | None) -> None:
    """Make a one-time link with which a person sets a new password; it is good for a day."""
    new = with_step_up(totp, lambda api: api.call(identity_endpoints.MAKE_RESET_LINK, user))
    emit(new, [("link", new.url), ("expires", new.expires_at)])


@users.command("reset-totp")
@click.argument("user")
@totp_option
def reset_totp(user: str, totp: str | None) -> None:
    """Take away the authenticator app that a person has lost."""
    with_step_up(totp, lambda api: api.call(identity_endpoints.RESET_TOTP, user))
    emit({"user": user, "is_enrolled": False}, [("taken away from", user)])


@users.command()
@click.argument("user")
@totp_option
def logout(user: str, totp: str | None) -> None:
    """End all sessions of a person in the org; their API tokens stay."""
    with_step_up(totp, lambda api: api.call(identity_endpoints.END_SESSIONS, user))
    emit({"user": user, "is_logged_out": True}, [("logged out", user)])


users.add_command(invite)
users.add_command(invitations)
users.add_command(reinvite)
users.add_command(uninvite)


def _update_request(given: dict[str, str | bool | list[str]]) -> UpdateUserRequest:
    changes: dict[str, str | bool | list[str] | None] = dict(given)
    if "password_file" in given:
        changes["password"] = read_password(str(changes.pop("password_file")))
    if "disable" in given:
        changes["is_disabled"] = changes.pop("disable")
    if given.get("manager") == "":
        changes["manager"] = None
    return msgspec.convert(changes, UpdateUserRequest)


def _emit(user: User) -> None:
    warn_of_stuck(user.leaves_stuck)
    emit(user, [(column.heading, column.value(user)) for column in _COLUMNS])
