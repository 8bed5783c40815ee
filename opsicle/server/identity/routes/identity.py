"""Proof of identity: authenticator app, fresh codes, sessions, passwords."""

from __future__ import annotations

from functools import partial

import msgspec

from opsicle.domain.access import Action
from opsicle.server.http.routing import Access, Reply, Request, Route
from opsicle.server.http.serving import serve
from opsicle.server.identity.authenticators import Authenticators
from opsicle.server.identity.password_changes import PasswordChanges
from opsicle.server.identity.sessions import Sessions
from opsicle.server.identity.step_up import StepUp
from opsicle.wire import identity_api as wire
from opsicle.wire.endpoints import identity as endpoints


class IdentityServices(msgspec.Struct, frozen=True):
    """The services behind these routes."""

    apps: Authenticators
    step_up: StepUp
    sessions: Sessions
    passwords: PasswordChanges


def routes(identity: IdentityServices) -> list[Route]:
    """Return the routes of one's own proof of identity."""
    use, apps, passwords = Action.ACCOUNT_USE, identity.apps, identity.passwords
    public = Access.PUBLIC
    sessions = identity.sessions
    return [
        serve(endpoints.SHOW_TOTP, apps.status, use),
        serve(endpoints.ENROL_TOTP, apps.begin, use),
        Route(endpoints.CONFIRM_TOTP, partial(confirm_totp, apps), use),
        Route(endpoints.RENEW_RECOVERY_CODES, partial(renew_recovery_codes, apps), use),
        Route(endpoints.DISABLE_TOTP, partial(disable_totp, apps), use),
        Route(endpoints.STEP_UP, partial(step_up, identity.step_up), use),
        serve(endpoints.LIST_SESSIONS, sessions.list_own, use),
        serve(endpoints.REVOKE_SESSION, sessions.revoke, use),
        serve(endpoints.CHANGE_PASSWORD, passwords.change, use),
        Route(endpoints.RESET_PASSWORD, partial(reset_password, passwords), public),
    ]


def confirm_totp(apps: Authenticators, request: Request) -> Reply:
    """Confirm an enrolment with a first code.

    The answer is the only place where the recovery codes are shown.
    """
    return Reply(200, apps.confirm(request.actor, request.body(wire.TotpRequest).totp))


def renew_recovery_codes(apps: Authenticators, request: Request) -> Reply:
    """Replace the recovery codes, with a fresh code."""
    return Reply(200, apps.renew_recovery_codes(request.actor, request.body(wire.TotpRequest).totp))


def disable_totp(apps: Authenticators, request: Request) -> Reply:
    """Take the caller's authenticator app away, with a fresh code of it."""
    apps.disable(request.actor, request.body(wire.TotpRequest).totp)
    return Reply(204)


def step_up(service: StepUp, request: Request) -> Reply:
    """Show a fresh code, for what answers with `step_up_required` without one."""
    return Reply(200, service.prove(request.actor, request.body(wire.TotpRequest).totp))


def reset_password(passwords: PasswordChanges, request: Request) -> Reply:
    """Set a new password with the token of a reset link."""
    passwords.reset(request.body(wire.ResetPasswordRequest), request.address)
    return Reply(204)
