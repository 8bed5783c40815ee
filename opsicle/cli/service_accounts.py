"""`opsicle service-accounts`: accounts of programs."""

from __future__ import annotations

import click

from opsicle.cli.listing import limit
from opsicle.cli.mfa import totp_option, with_step_up
from opsicle.cli.output import Column, emit, emit_list
from opsicle.cli.root import NounGroup
from opsicle.cli.sessions import connect
from opsicle.wire.access_api import CreateServiceAccountRequest
from opsicle.wire.endpoints import service_accounts as endpoints

_COLUMNS = [
    Column("id", lambda account: account.id),
    Column("address", lambda account: account.email),
    Column("role", lambda account: account.role),
    Column("owner", lambda account: account.owner),
    Column("disabled", lambda account: account.is_disabled),
    Column("created", lambda account: account.created_at),
]


@click.group("service-accounts", cls=NounGroup)
def service_accounts() -> None:
    """Accounts of programs: no password, only tokens, and a person who answers for them."""


@service_accounts.command("list")
@limit
def list_(limit: int | None) -> None:
    """List the service accounts of the org."""
    emit_list(connect().pages(endpoints.LIST_ACCOUNTS), _COLUMNS, limit=limit)


@service_accounts.command()
@click.argument("name")
@click.option(
    "--role", metavar="R", default="member", help="What it may do at most; `member` unless told."
)
@click.option("--owner", metavar="EMAIL", default="", help="Who answers for it; you, unless told.")
@totp_option
def create(name: str, role: str, owner: str, totp: str | None) -> None:
    """Make a service account. `opsicle tokens create --account` makes its tokens."""
    request = CreateServiceAccountRequest(name=name, role=role, owner=owner)
    made = with_step_up(totp, lambda api: api.call(endpoints.CREATE, body=request))
    emit(made, [(column.heading, column.value(made)) for column in _COLUMNS])


@service_accounts.command()
@click.argument("account")
@totp_option
def delete(account: str, totp: str | None) -> None:
    """Remove a service account with its tokens, by id or address."""
    with_step_up(totp, lambda api: api.call(endpoints.DELETE, account))
    emit({"account": account, "is_deleted": True}, [("deleted", account)])
