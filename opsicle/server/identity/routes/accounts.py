"""Setting up, logging in and out, who am I."""

from __future__ import annotations

from functools import partial

import msgspec

from opsicle.domain.access import Action
from opsicle.server.http.origin import csrf_token, ended_cookies, session_cookies, session_tokens
from opsicle.server.http.routing import Access, Reply, Request, Route
from opsicle.server.http.serving import serve
from opsicle.server.identity.accounts import Accounts
from opsicle.server.identity.logins import Logins
from opsicle.server.identity.server_setup import ServerSetup
from opsicle.server.identity.sessions import LIFETIME
from opsicle.wire.endpoints import accounts as endpoints
from opsicle.wire.identity_api import SetupState
from opsicle.wire.user_api import LoginReply, LoginRequest, SetupRequest


def routes(setup: ServerSetup, logins: Logins, accounts: Accounts) -> list[Route]:
    """Return the routes of the way in."""
    public = Access.PUBLIC
    return [
        Route(endpoints.SETUP_STATE, partial(setup_state, setup), public),
        Route(endpoints.SET_UP, partial(set_up, setup), public),
        Route(endpoints.LOGIN, partial(login, logins), public),
        Route(endpoints.LOGOUT, partial(logout, accounts), Action.ACCOUNT_VIEW),
        Route(endpoints.WHOAMI, partial(whoami, accounts), Action.ACCOUNT_VIEW),
        serve(endpoints.SET_DISPLAY, accounts.set_display, Action.ACCOUNT_USE),
    ]


def setup_state(setup: ServerSetup, _request: Request) -> Reply:
    """Say whether the first org is still to be made."""
    return Reply(200, SetupState(is_needed=setup.is_needed()))


def set_up(setup: ServerSetup, request: Request) -> Reply:
    """Create the first org and its admin, with the one-time setup token."""
    return Reply(200, setup.complete(request.body(SetupRequest), request.address))


def login(logins: Logins, request: Request) -> Reply:
    """Begin a session: a browser gets a cookie, the command line a token."""
    wanted = request.body(LoginRequest)
    return entered(
        request, logins.login(wanted, request.address), is_browser=wanted.kind == "browser"
    )


def entered(
    request: Request, reply: LoginReply, *, is_browser: bool, is_known: bool = False
) -> Reply:
    """Return the answer that carries a new session.

    For a browser as a cookie, which its scripts cannot read. It forgets its sessions in other orgs,
    which may be somebody else's, unless it `is_known` that they are the same person's.
    """
    if not is_browser:
        return Reply(200, reply)
    org = reply.me.org.code
    me = msgspec.structs.replace(reply.me, csrf_token=csrf_token(reply.token))
    ended = () if is_known else ended_cookies(request, but=org)
    cookies = session_cookies(request, org, reply.token, int(LIFETIME["browser"].total_seconds()))
    answer = msgspec.structs.replace(reply, me=me, token="")
    return Reply(200, answer, headers=(*ended, *cookies))


def logout(accounts: Accounts, request: Request) -> Reply:
    """End the session that asks; a browser's sessions in other orgs too."""
    tokens = session_tokens(request) if request.csrf_token else frozenset[str]()
    accounts.logout(request.actor, tokens)
    return Reply(204, headers=ended_cookies(request))


def whoami(accounts: Accounts, request: Request) -> Reply:
    """Show who asks, in which org, and what they may do there."""
    me = accounts.whoami(request.actor)
    return Reply(200, msgspec.structs.replace(me, csrf_token=request.csrf_token))
