"""The routes for people who have lost a proof of identity, and those who help them."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.http.routing import Access, Reply, Request, Route
from opsicle.server.members.recovery import Recovery
from opsicle.server.members.resets import ForgottenPasswords
from opsicle.wire import identity_api as wire
from opsicle.wire.endpoints import identity as endpoints


def routes(recovery: Recovery, forgotten: ForgottenPasswords) -> list[Route]:
    """Return the routes of lost proofs. `<user>` is an id or an e-mail address."""
    manage = Action.USERS_MANAGE
    return [
        Route(endpoints.FORGOT_PASSWORD, partial(forgot_password, forgotten), Access.PUBLIC),
        Route(endpoints.MAKE_RESET_LINK, partial(make_reset_link, recovery), manage),
        Route(endpoints.RESET_TOTP, partial(reset_totp, recovery), manage),
        Route(endpoints.END_SESSIONS, partial(end_sessions, recovery), manage),
    ]


def forgot_password(forgotten: ForgottenPasswords, request: Request) -> Reply:
    """Ask for a link for a new password by e-mail; the answer does not say if one goes out."""
    forgotten.request_link(request.body(wire.ForgottenPasswordRequest).email, request.address)
    return Reply(202, {})


def make_reset_link(recovery: Recovery, request: Request, user: str) -> Reply:
    """Make a one-time link with which a person sets a new password."""
    return Reply(200, recovery.make_reset_link(request.actor, user))


def reset_totp(recovery: Recovery, request: Request, user: str) -> Reply:
    """Take away the authenticator app that a person has lost."""
    recovery.reset_totp(request.actor, user)
    return Reply(204)


def end_sessions(recovery: Recovery, request: Request, user: str) -> Reply:
    """End all sessions of a person in the org."""
    recovery.end_sessions(request.actor, user)
    return Reply(204)
