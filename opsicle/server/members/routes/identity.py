"""The routes for people who have lost a proof of identity, and those who help them."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.http.routing import Access, Reply, Request, Route
from opsicle.server.http.serving import serve
from opsicle.server.members.recovery import Recovery
from opsicle.server.members.resets import ForgottenPasswords
from opsicle.wire import identity_api as wire
from opsicle.wire.endpoints import identity as endpoints


def routes(recovery: Recovery, forgotten: ForgottenPasswords) -> list[Route]:
    """Return the routes of lost proofs. `<user>` is an id or an e-mail address."""
    manage = Action.USERS_MANAGE
    return [
        Route(endpoints.FORGOT_PASSWORD, partial(forgot_password, forgotten), Access.PUBLIC),
        serve(endpoints.MAKE_RESET_LINK, recovery.make_reset_link, manage),
        serve(endpoints.RESET_TOTP, recovery.reset_totp, manage),
        serve(endpoints.END_SESSIONS, recovery.end_sessions, manage),
    ]


def forgot_password(forgotten: ForgottenPasswords, request: Request) -> Reply:
    """Ask for a link for a new password by e-mail; the answer does not say if one goes out."""
    forgotten.request_link(request.body(wire.ForgottenPasswordRequest).email, request.address)
    return Reply(202, {})
