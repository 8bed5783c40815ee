"""Proof of identity: authenticator app, fresh codes, sessions, passwords."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from opsicle.domain.access import Action
from opsicle.server.http.lists import list_reply
from opsicle.server.http.routing import Access, Reply, Request, Route
from opsicle.server.identity.authenticators import Authenticators
from opsicle.server.identity.password_changes import PasswordChanges
from opsicle.server.identity.sessions import Sessions
from opsicle.server.identity.step_up import StepUp
from opsicle.wire import identity_api as wire
from opsicle.wire.endpoints import identity as endpoints


@dataclass(frozen=True)
class IdentityServices:
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
        Route(endpoints.SHOW_TOTP, partial(show_totp, apps), use),
        Route(endpoints.ENROL_TOTP, partial(enrol_totp, apps), use),
        Route(endpoints.CONFIRM_TOTP, partial(confirm_totp, apps), use),
        Route(endpoints.RENEW_RECOVERY_CODES, partial(renew_recovery_codes, apps), use),
        Route(endpoints.DISABLE_TOTP, partial(disable_totp, apps), use),
        Route(endpoints.STEP_UP, partial(step_up, identity.step_up), use),
        Route(endpoints.LIST_SESSIONS, partial(list_sessions, sessions), use),
        Route(endpoints.REVOKE_SESSION, partial(revoke_session, sessions), use),
        Route(endpoints.CHANGE_PASSWORD, partial(change_password, passwords), use),
        Route(endpoints.RESET_PASSWORD, partial(reset_password, passwords), public),
    ]


def show_totp(apps: Authenticators, request: Request) -> Reply:
    """Show whether the caller has an authenticator app."""
    return Reply(200, apps.status(request.actor))


def enrol_totp(apps: Authenticators, request: Request) -> Reply:
    """Begin to enrol an authenticator app; it counts once it is confirmed."""
    return Reply(200, apps.begin(request.actor))


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


def list_sessions(sessions: Sessions, request: Request) -> Reply:
    """List the caller's own sessions, newest first."""
    return list_reply(request, sessions.list_own)


def revoke_session(sessions: Sessions, request: Request, session_id: str) -> Reply:
    """End one of the caller's own sessions."""
    sessions.revoke(request.actor, session_id)
    return Reply(204)


def change_password(passwords: PasswordChanges, request: Request) -> Reply:
    """Change the caller's own password; their other sessions end."""
    passwords.change(request.actor, request.body(wire.ChangePasswordRequest))
    return Reply(204)


def reset_password(passwords: PasswordChanges, request: Request) -> Reply:
    """Set a new password with the token of a reset link."""
    passwords.reset(request.body(wire.ResetPasswordRequest), request.address)
    return Reply(204)
