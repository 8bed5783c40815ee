"""`opsicle tokens`: your own API tokens, for programs."""

from __future__ import annotations

import click

from opsicle.cli.listing import limit
from opsicle.cli.mfa import totp_option, with_step_up
from opsicle.cli.output import Column, emit, emit_list
from opsicle.cli.root import NounGroup
from opsicle.cli.sessions import connect
from opsicle.wire.endpoints import tokens as endpoints
from opsicle.wire.user_api import CreateApiTokenRequest

_COLUMNS = [
    Column("id", lambda token: token.id),
    Column("name", lambda token: token.name),
    Column("prefix", lambda token: token.prefix),
    Column("created", lambda token: token.created_at),
    Column("expires", lambda token: token.expires_at or "never"),
    Column("last used", lambda token: token.last_used_at),
    Column("scopes", lambda token: "all" if token.scopes is None else token.scopes),
]

account = click.option(
    "--account", metavar="A", default="", help="The service account that it is for, not yourself."
)


@click.group(cls=NounGroup)
def tokens() -> None:
    """Manage API tokens, with which programs act as you or as one of your service accounts."""


@tokens.command("list")
@account
@limit
def list_(account: str, limit: int | None) -> None:
    """List your tokens, or those of one of your service accounts."""
    emit_list(
        connect().pages(endpoints.LIST_TOKENS, query={"account": account}), _COLUMNS, limit=limit
    )


@tokens.command()
@click.option("--name", metavar="N", required=True, help="What it is for.")
@click.option(
    "--expires-in-days",
    type=click.IntRange(min=0),
    default=90,
    metavar="DAYS",
    help="How long it is good for; 90 unless told, 0 for ever.",
)
@click.option(
    "--scope",
    metavar="RULE",
    multiple=True,
    help="What it may do at most, as in `execute templates/web` or `update secrets/db`; "
    "unless told, all that you may."
    " Repeatable.",
)
@account
@totp_option
def create(
    name: str, expires_in_days: int, scope: tuple[str, ...], account: str, totp: str | None
) -> None:
    """Make a token. It is shown this once."""
    request = CreateApiTokenRequest(
        name=name,
        expires_in_days=expires_in_days or None,
        scopes=list(scope) or None,
        account=account,
    )
    new = with_step_up(totp, lambda api: api.call(endpoints.CREATE, body=request))
    emit(
        new,
        [
            ("token", new.token),
            ("id", new.details.id),
            ("expires", new.details.expires_at or "never"),
        ],
    )


@tokens.command()
@click.argument("token")
def delete(token: str) -> None:
    """End a token, by id."""
    connect().call(endpoints.DELETE, token)
    emit({"id": token, "is_deleted": True}, [("deleted", token)])
