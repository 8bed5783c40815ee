"""`opsicle setup`, `reset`, `login`, `logout`, `whoami`: who one is to which server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click
import msgspec

from opsicle.cli import announced
from opsicle.cli.errors import warn
from opsicle.cli.invocation import current
from opsicle.cli.mfa import prompt_for_code, totp_option
from opsicle.cli.output import emit
from opsicle.cli.root import VerbCommand
from opsicle.cli.sessions import connect, current_session, kept_sessions
from opsicle.cli.terminal import given_link, read_password, read_token, say
from opsicle.cli.trust import Trust, ca_for_setup, normal, trust_options, trusted_ca
from opsicle.client.api import Api
from opsicle.domain.errors import InvalidInput, NotAuthenticated, TotpRequired, UsageError
from opsicle.wire.endpoints import accounts as endpoints
from opsicle.wire.endpoints import identity as identity_endpoints
from opsicle.wire.identity_api import ForgottenPasswordRequest, ResetPasswordRequest
from opsicle.wire.user_api import LoginReply, LoginRequest, Me, SetupRequest

if TYPE_CHECKING:
    from opsicle.client.saved_logins import SavedLogin

password_file = click.option(
    "--password-file", metavar="FILE", help="File that holds the password; `-` is stdin."
)


@click.command(cls=VerbCommand)
@click.option(
    "--server",
    metavar="URL",
    envvar="OPSICLE_SERVER",
    required=True,
    help="Where the server listens.",
)
@click.option(
    "--token", metavar="T", help="The setup token; better from a file, where no other user sees it."
)
@click.option(
    "--token-file",
    metavar="FILE",
    help="File with the setup token: `setup-token` in its data folder; `-` is stdin.",
)
@click.option("--org", metavar="CODE", required=True, help="Code of the first org, such as `acme`.")
@click.option("--email", metavar="E", required=True, help="E-mail address of the first admin.")
@password_file
@trust_options
def setup(
    server: str, org: str, email: str, password_file: str | None, trust: Trust, **token: str | None
) -> None:
    """Create the first org and its admin on a new server."""
    from opsicle.client.saved_logins import SavedLogin
    from opsicle.security import setup_token

    text = read_token(token["token"], token["token_file"], "--token", "--token-file")
    parsed = setup_token.parse(text)
    password = read_password(password_file, is_new=True)
    url = normal(server)
    session = SavedLogin(
        server=url, ca_pem=ca_for_setup(url, trust, parsed.fingerprint), org=org, email=email
    )
    me = connect(session).call(
        endpoints.SET_UP, body=SetupRequest(token=text, org=org, email=email, password=password)
    )
    kept_sessions().save(current().profile, session)
    _emit_identity(me, session)
    say(f"Next: opsicle login --server {session.server} --email {email}")


@click.command(cls=VerbCommand)
@click.option(
    "--server",
    metavar="URL",
    envvar="OPSICLE_SERVER",
    help="Where the server listens; the last one unless told.",
)
@click.option("--email", metavar="E", help="Your e-mail address.")
@click.option("--org", metavar="CODE", default="", help="Which org, if you belong to several.")
@password_file
@totp_option
@trust_options
def login(
    server: str | None,
    email: str | None,
    org: str,
    password_file: str | None,
    totp: str | None,
    trust: Trust,
) -> None:
    """Log in to a server. The session is kept in your config folder, readable by you alone."""
    from opsicle.client.saved_logins import SavedLogin

    known = kept_sessions().find(current().profile)
    url = server or (known.server if known else "")
    email = email or (known.email if known else "")
    if not url or not email:
        raise UsageError(
            "--server is needed" if not url else "--email is needed", hint="`opsicle login --help`"
        )
    url = normal(url)
    trusted = known.ca_pem if known and known.server == url else ""
    session = SavedLogin(server=url, ca_pem=trusted_ca(url, trust, trusted), email=email)
    request = LoginRequest(
        email=email, password=read_password(password_file), totp=totp or "", org=org
    )
    reply = _logged_in(connect(session), request)
    enter(msgspec.structs.replace(session, token=reply.token), reply)


def enter(session: SavedLogin, reply: LoginReply) -> None:
    """Keep a session that has begun in the profile, and show whose it is."""
    session = msgspec.structs.replace(session, org=reply.me.org.code, email=reply.me.user.email)
    kept_sessions().save(current().profile, session)
    _emit_identity(reply.me, session)


def _logged_in(api: Api, request: LoginRequest) -> LoginReply:
    try:
        return api.call(endpoints.LOGIN, body=request)
    except TotpRequired as error:
        return api.call(
            endpoints.LOGIN, body=msgspec.structs.replace(request, totp=prompt_for_code(error))
        )


@click.command(cls=VerbCommand)
@click.argument("link", required=False)
@click.option("--email", metavar="E", help="Your e-mail address, to be sent a link.")
@click.option(
    "--server",
    metavar="URL",
    envvar="OPSICLE_SERVER",
    help="Where the server listens, with --email.",
)
@password_file
@trust_options
def reset(
    link: str | None, email: str | None, server: str | None, password_file: str | None, trust: Trust
) -> None:
    """Set a new password with a one-time LINK.

    With --email instead, ask the server to send you one.

    A link is sent if your org has an e-mail channel; the server tells nobody whether one was. An
    admin can make one too. With `-` as LINK it is read from standard input, where no other user of
    the machine sees it.
    """
    if link and not email:
        _reset(link, password_file, trust)
    elif email and server and not link:
        url = normal(server)
        request = ForgottenPasswordRequest(email)
        _anonymous_api(url, trust).call(identity_endpoints.FORGOT_PASSWORD, body=request)
        emit({"server": url, "is_requested": True}, [("server", url)])
        say("If the account's org can send e-mail, a link is on its way. It is good for an hour.")
    else:
        raise UsageError("give a LINK, or --email and --server", hint="`opsicle reset --help`")


def _reset(link: str, password_file: str | None, trust: Trust) -> None:
    url, found, token = given_link(link).partition("/reset#token=")
    if not found or not token:
        raise InvalidInput(
            "this is not a reset link", hint="It looks like https://ops.example.com/reset#token=…"
        )
    url = normal(url)
    api = _anonymous_api(url, trust)
    request = ResetPasswordRequest(token=token, password=read_password(password_file, is_new=True))
    api.call(identity_endpoints.RESET_PASSWORD, body=request)
    emit({"server": url, "is_reset": True}, [("server", url)])
    say(f"The password is set. Next: opsicle login --server {url}")


def _anonymous_api(url: str, trust: Trust) -> Api:
    """Return the server, for somebody who is not logged in."""
    from opsicle.client.saved_logins import SavedLogin

    known = kept_sessions().find(current().profile)
    trusted = known.ca_pem if known and known.server == url else ""
    return connect(SavedLogin(server=url, ca_pem=trusted_ca(url, trust, trusted)))


@click.command(cls=VerbCommand)
def logout() -> None:
    """End the session, here and on the server."""
    session = current_session()
    try:
        connect(session).call(endpoints.LOGOUT)
    except NotAuthenticated:
        say("The session had ended already.")
    if not os.environ.get("OPSICLE_TOKEN"):
        kept_sessions().save(current().profile, msgspec.structs.replace(session, token=""))
    emit({"server": session.server, "is_logged_in": False}, [("logged out of", session.server)])


@click.command(cls=VerbCommand)
def whoami() -> None:
    """Show who you are to the server, and what you may do."""
    session = current_session()
    _emit_identity(connect(session).call(endpoints.WHOAMI), session, is_asked=True)


def _emit_identity(me: Me, session: SavedLogin, *, is_asked: bool = False) -> None:
    """Print who one is; what one may do only to whom asks, since that is long."""
    document = {
        "server": session.server,
        "user": me.user,
        "org": me.org,
        "role": me.role,
        "permissions": me.permissions,
        "server_version": me.server_version,
        "announcements": me.announcements,
    }
    fields = [
        ("user", me.user.email),
        ("name", me.user.name),
        ("org", me.org.code),
        ("role", me.role),
        *([("may", me.permissions)] if is_asked else []),
        ("server", session.server),
    ]
    emit(document, fields)
    if me.remarks:
        warn(me.remarks)
    if is_asked:
        announced.show(me.announcements)
