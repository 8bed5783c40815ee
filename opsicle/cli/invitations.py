"""`opsicle accept`, and the verbs of `opsicle users` about invitations."""

from __future__ import annotations

import click
import msgspec

from opsicle.cli.accounts import enter, password_file
from opsicle.cli.invocation import current
from opsicle.cli.listing import limit
from opsicle.cli.mfa import prompt_for_code, totp_option, with_step_up
from opsicle.cli.output import Column, emit, emit_list
from opsicle.cli.root import VerbCommand
from opsicle.cli.sessions import connect, kept_sessions
from opsicle.cli.terminal import given_link, read_password, say
from opsicle.cli.trust import Trust, normal, trust_options, trusted_ca
from opsicle.client.api import Api
from opsicle.domain.errors import InvalidInput, TotpRequired
from opsicle.wire.endpoints import invitations as endpoints
from opsicle.wire.org_api import (
    AcceptInvitationRequest,
    InvitationEmail,
    InvitationToken,
    InviteRequest,
    NewInvitation,
    RenewInvitationRequest,
)
from opsicle.wire.user_api import LoginReply

_DEFAULT_DAYS = 7

_COLUMNS = [
    Column("id", lambda invitation: invitation.id),
    Column("email", lambda invitation: invitation.email),
    Column("role", lambda invitation: invitation.role),
    Column("manager", lambda invitation: invitation.manager),
    Column("invited by", lambda invitation: invitation.invited_by),
    Column("expires", lambda invitation: invitation.expires_at),
    Column("e-mail", lambda invitation: _email_text(invitation.emailed)),
]

_by_email = click.option(
    "--by-email",
    is_flag=True,
    help="Send the link to them by the org's e-mail channel, instead of showing it.",
)


@click.command(cls=VerbCommand)
@click.option("--email", metavar="E", required=True, help="Their e-mail address.")
@click.option(
    "--role",
    metavar="R",
    required=True,
    help="What they are to be in the org, as in `opsicle roles list`.",
)
@click.option("--manager", metavar="EMAIL", help="Who their manager is to be.")
@click.option(
    "--days",
    type=click.IntRange(1, 30),
    default=_DEFAULT_DAYS,
    metavar="N",
    help="How long the link is good, 1 to 30; 7 unless told.",
)
@_by_email
@totp_option
def invite(
    email: str, role: str, manager: str | None, days: int, *, by_email: bool, totp: str | None
) -> None:
    """Make the one-time link by which a person comes into the org, with an account or without.

    With --by-email they get it by the org's e-mail channel, and nobody else sees it; `opsicle users
    invitations` says whether it was delivered.
    """
    request = InviteRequest(
        email=email, role=role, manager=manager, expires_in_days=days, is_emailed=by_email
    )
    emit_link(with_step_up(totp, lambda api: api.call(endpoints.INVITE, body=request)))


@click.command(cls=VerbCommand)
@limit
def invitations(limit: int | None) -> None:
    """List the invitations that may still be used."""
    emit_list(connect().pages(endpoints.LIST_OPEN), _COLUMNS, limit=limit)


@click.command(cls=VerbCommand)
@click.argument("invitation")
@_by_email
@totp_option
def reinvite(invitation: str, *, by_email: bool, totp: str | None) -> None:
    """Make a new link in the place of an open invitation's, by id; the old one is good no longer.

    It is good for as long as the old one was.
    """
    request = RenewInvitationRequest(is_emailed=by_email)
    emit_link(with_step_up(totp, lambda api: api.call(endpoints.RENEW, invitation, body=request)))


@click.command(cls=VerbCommand)
@click.argument("invitation")
@totp_option
def uninvite(invitation: str, totp: str | None) -> None:
    """End an invitation that was not used yet, by id."""
    with_step_up(totp, lambda api: api.call(endpoints.REVOKE, invitation))
    emit({"invitation": invitation, "is_revoked": True}, [("revoked", invitation)])


@click.command(cls=VerbCommand)
@click.argument("link")
@click.option("--name", metavar="N", default="", help="Your name, if the account is new.")
@password_file
@totp_option
@trust_options
def accept(link: str, name: str, password_file: str | None, totp: str | None, trust: Trust) -> None:
    """Accept an invitation into an org by its link, and log in there.

    Where the address has an account, its password is asked for; else a new account is made with
    one. With `-` as LINK it is read from standard input, where no other user of the machine sees
    it.
    """
    from opsicle.client.saved_logins import SavedLogin

    url, found, token = given_link(link).partition("/invitation#token=")
    if not found or not token:
        raise InvalidInput(
            "this is no invitation", hint="It looks like https://ops.example.com/invitation#token=…"
        )
    url = normal(url)
    known = kept_sessions().find(current().profile)
    trusted = known.ca_pem if known and known.server == url else ""
    session = SavedLogin(server=url, ca_pem=trusted_ca(url, trust, trusted))
    api = connect(session)
    offer = api.call(endpoints.SHOW_OFFER, body=InvitationToken(token=token))
    say(f"{offer.invited_by} invites {offer.email} to {offer.org.code} as {offer.role}.")
    password = read_password(password_file, is_new=not offer.has_account)
    reply = _accepted(
        api, AcceptInvitationRequest(token=token, password=password, name=name, totp=totp or "")
    )
    enter(msgspec.structs.replace(session, token=reply.token), reply)


def _accepted(api: Api, request: AcceptInvitationRequest) -> LoginReply:
    try:
        return api.call(endpoints.ACCEPT, body=request)
    except TotpRequired as error:
        return api.call(
            endpoints.ACCEPT, body=msgspec.structs.replace(request, totp=prompt_for_code(error))
        )


def emit_link(new: NewInvitation) -> None:
    """Show a link, this one time."""
    fields = [(column.heading, column.value(new.invitation)) for column in _COLUMNS]
    emit(new, [*fields, ("link", new.url)] if new.url else fields)


def _email_text(email: InvitationEmail | None) -> str | None:
    """Return how an invitation's e-mail fares, and why it did not get out; None: there is none."""
    if email is None:
        return None
    return f"{email.state}: {email.error}" if email.error else email.state
