"""`opsicle setup`, `reset`, `login`, `logout`, `whoami`: who one is to which server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from opsicle.cli.invocation import current
from opsicle.cli.output import emit
from opsicle.cli.proofs import asked_code, totp_option
from opsicle.cli.root import Command
from opsicle.cli.sessions import connect, current_session, kept_sessions
from opsicle.cli.terminal import confirm, has_person, read_password, say

if TYPE_CHECKING:
    from opsicle.client.api import Api
    from opsicle.client.sessions import Session
    from opsicle.wire.user_api import LoginReply, LoginRequest, Me

password_file = click.option("--password-file", metavar="FILE", help="File that holds the password; `-` is stdin.")

ca_fingerprint_option = click.option(
    "--ca-fingerprint",
    metavar="sha256:…",
    envvar="OPSICLE_CA_FINGERPRINT",
    help="The server's CA, if this system does not know it; from `server.json` in its data folder.",
)


@click.command(cls=Command)
@click.option("--server", metavar="URL", envvar="OPSICLE_SERVER", required=True, help="Where the server listens.")
@click.option("--token", metavar="T", required=True, help="The setup token, from `setup-token` in its data folder.")
@click.option("--org", metavar="CODE", required=True, help="Code of the first org, such as `acme`.")
@click.option("--email", metavar="E", required=True, help="E-mail address of the first admin.")
@password_file
def setup(server: str, token: str, org: str, email: str, password_file: str | None) -> None:
    """Create the first org and its admin on a new server."""
    from opsicle.client.sessions import Session, fetch_ca
    from opsicle.pki import setup_token
    from opsicle.wire.user_api import SetupRequest

    fingerprint = setup_token.parse(token).fingerprint
    password = read_password(password_file, is_new=True)
    session = Session(server=normal(server), ca_pem=fetch_ca(server, fingerprint), org=org, email=email)
    me = connect(session).setup(SetupRequest(token=token.strip(), org=org, email=email, password=password))
    kept_sessions().save(current().profile, session)
    _emit_me(me, session)
    say(f"Next: opsicle login --server {session.server} --email {email}")


@click.command(cls=Command)
@click.option(
    "--server", metavar="URL", envvar="OPSICLE_SERVER", help="Where the server listens; the last one unless told."
)
@click.option("--email", metavar="E", help="Your e-mail address.")
@click.option("--org", metavar="CODE", default="", help="Which org, if you belong to several.")
@password_file
@totp_option
@ca_fingerprint_option
def login(
    server: str | None,
    email: str | None,
    org: str,
    password_file: str | None,
    totp: str | None,
    ca_fingerprint: str | None,
) -> None:
    """Log in to a server. The session is kept in your config folder, readable by you alone."""
    import msgspec

    from opsicle.client.sessions import Session
    from opsicle.domain.errors import UsageError
    from opsicle.wire.user_api import LoginRequest

    known = kept_sessions().find(current().profile)
    url = server or (known.server if known else "")
    email = email or (known.email if known else "")
    if not url or not email:
        raise UsageError("--server is needed" if not url else "--email is needed", hint="`opsicle login --help`")
    url = normal(url)
    trusted = known.ca_pem if known and known.server == url else ""
    session = Session(server=url, ca_pem=trusted_ca(url, ca_fingerprint, trusted), email=email)
    request = LoginRequest(email=email, password=read_password(password_file), totp=totp or "", org=org)
    reply = _logged_in(connect(session), request)
    enter(msgspec.structs.replace(session, token=reply.token), reply)


def enter(session: Session, reply: LoginReply) -> None:
    """Keep a session that has begun in the profile, and show whose it is."""
    import msgspec

    session = msgspec.structs.replace(session, org=reply.me.org.code, email=reply.me.user.email)
    kept_sessions().save(current().profile, session)
    _emit_me(reply.me, session)


def _logged_in(api: Api, request: LoginRequest) -> LoginReply:
    import msgspec

    from opsicle.domain.errors import TotpRequired

    try:
        return api.login(request)
    except TotpRequired as error:
        return api.login(msgspec.structs.replace(request, totp=asked_code(error)))


@click.command(cls=Command)
@click.argument("link", required=False)
@click.option("--email", metavar="E", help="Your e-mail address, to be sent a link.")
@click.option("--server", metavar="URL", envvar="OPSICLE_SERVER", help="Where the server listens, with --email.")
@password_file
@ca_fingerprint_option
def reset(
    link: str | None, email: str | None, server: str | None, password_file: str | None, ca_fingerprint: str | None
) -> None:
    """Set a new password with a one-time LINK; with --email instead, ask the server to send you one.

    A link is sent if your org has an e-mail channel; the server tells nobody whether one was. An admin can make one
    too.
    """
    from opsicle.domain.errors import UsageError

    if link and not email:
        _reset(link, password_file, ca_fingerprint)
    elif email and server and not link:
        url = normal(server)
        _stranger(url, ca_fingerprint).forgot_password(email)
        emit({"server": url, "is_requested": True}, [("server", url)])
        say("If the account's org can send e-mail, a link is on its way. It is good for an hour.")
    else:
        raise UsageError("give a LINK, or --email and --server", hint="`opsicle reset --help`")


def _reset(link: str, password_file: str | None, ca_fingerprint: str | None) -> None:
    from opsicle.domain.errors import InvalidInput

    url, found, token = link.strip().partition("/reset#token=")
    if not found or not token:
        raise InvalidInput("this is not a reset link", hint="It looks like https://ops.example.com/reset#token=…")
    url = normal(url)
    _stranger(url, ca_fingerprint).reset_password(token, read_password(password_file, is_new=True))
    emit({"server": url, "is_reset": True}, [("server", url)])
    say(f"The password is set. Next: opsicle login --server {url}")


def _stranger(url: str, ca_fingerprint: str | None) -> Api:
    """The server, for somebody who is not logged in."""
    from opsicle.client.sessions import Session

    known = kept_sessions().find(current().profile)
    trusted = known.ca_pem if known and known.server == url else ""
    return connect(Session(server=url, ca_pem=trusted_ca(url, ca_fingerprint, trusted)))


@click.command(cls=Command)
def logout() -> None:
    """End the session, here and on the server."""
    import msgspec

    from opsicle.domain.errors import NotAuthenticated

    session = current_session()
    try:
        connect(session).logout()
    except NotAuthenticated:
        say("The session had ended already.")
    if not os.environ.get("OPSICLE_TOKEN"):
        kept_sessions().save(current().profile, msgspec.structs.replace(session, token=""))
    emit({"server": session.server, "is_logged_in": False}, [("logged out of", session.server)])


@click.command(cls=Command)
def whoami() -> None:
    """Show who you are to the server, and what you may do."""
    session = current_session()
    _emit_me(connect(session).whoami(), session)


def _emit_me(me: Me, session: Session) -> None:
    document = {
        "server": session.server,
        "user": me.user,
        "org": me.org,
        "role": me.role,
        "permissions": me.permissions,
        "server_version": me.server_version,
    }
    fields = [
        ("user", me.user.email),
        ("name", me.user.name),
        ("org", me.org.code),
        ("role", me.role),
        ("may", me.permissions),
        ("server", session.server),
    ]
    emit(document, fields)


def normal(url: str) -> str:
    """A server's URL in the form in which it is kept."""
    from opsicle.client.connection import parse_server

    return parse_server(url).url


def trusted_ca(url: str, fingerprint: str | None, remembered: str) -> str:
    """The CA to verify the server with, empty for the system's.

    A fingerprint that is given decides; else what was remembered of this server; else the system. Where that does
    not know the server's CA, a person is shown its fingerprint and asked; without one nothing is trusted.
    """
    from opsicle.client.sessions import Session, fetch_ca, open_api
    from opsicle.client.trust import is_unknown_issuer
    from opsicle.domain.errors import Unreachable

    if fingerprint:
        return fetch_ca(url, fingerprint)
    try:
        open_api(Session(server=url, ca_pem=remembered)).ca()
    except Unreachable as error:
        if remembered or not is_unknown_issuer(error):
            raise
        return _confirmed_ca(url)
    return remembered


def _confirmed_ca(url: str) -> str:
    from opsicle.client.sessions import unverified_ca
    from opsicle.client.trust import certificates, fingerprint
    from opsicle.domain.errors import NotAllowed, Unreachable, UsageError

    if not has_person():
        raise UsageError(
            f"this system does not know the CA of {url}: --ca-fingerprint is needed",
            hint="It is `ca_fingerprint` in `server.json` in the server's data folder.",
        )
    offered = certificates(unverified_ca(url))
    if not offered:
        raise Unreachable("the server offers no CA certificate", hint="Is this an Opsicle server?")
    say(f"This system does not know the CA of {url}. Its fingerprint is\n\n  {fingerprint(offered[0])}\n")
    say("Compare it with `ca_fingerprint` in `server.json` in the server's data folder.")
    if not confirm("Are they the same?", "--ca-fingerprint"):
        raise NotAllowed("the server's CA was not trusted, so nothing was sent to it")
    return offered[0]
