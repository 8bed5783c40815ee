"""Proof of identity: authenticator app, fresh codes, sessions, passwords."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from opsicle.domain.access import Action
from opsicle.server.http.lists import LISTING, list_reply
from opsicle.server.http.routing import Access, Page, Reply, Request, Route
from opsicle.server.identity.authenticators import Authenticators
from opsicle.server.identity.password_changes import PasswordChanges
from opsicle.server.identity.routes.accounts import MAX_BODY
from opsicle.server.identity.sessions import Sessions
from opsicle.server.identity.step_up import StepUp
from opsicle.wire import identity_api as wire


@dataclass(frozen=True)
class IdentityServices:
    """The services behind these routes."""

    apps: Authenticators
    step_up: StepUp
    sessions: Sessions
    passwords: PasswordChanges


def routes(identity: IdentityServices) -> list[Route]:
    """The routes of one's own proof of identity."""
    use, apps, passwords = Action.ACCOUNT_USE, identity.apps, identity.passwords
    code, codes = wire.TotpRequest, wire.RecoveryCodes
    totp, password = "/api/v1/totp", "/api/v1/password"
    change, reset = wire.ChangePasswordRequest, wire.ResetPasswordRequest
    page, public = Page[wire.Session], Access.PUBLIC
    sessions = identity.sessions
    return [
        Route("GET", totp, partial(show_totp, apps), use, reply=wire.TotpStatus),
        Route("POST", totp, partial(enrol_totp, apps), use, reply=wire.NewTotp),
        Route("POST", f"{totp}/confirm", partial(confirm_totp, apps), use, body=code, reply=codes),
        Route("POST", f"{totp}/recovery-codes", partial(renew_recovery_codes, apps), use, body=code, reply=codes),
        Route("POST", f"{totp}/disable", partial(disable_totp, apps), use, body=code, status=204),
        Route("POST", "/api/v1/step-up", partial(step_up, identity.step_up), use, body=code, reply=wire.StepUpValidity),
        Route("GET", "/api/v1/sessions", partial(list_sessions, sessions), use, query=LISTING, reply=page),
        Route("DELETE", "/api/v1/sessions/<session_id>", partial(revoke_session, sessions), use, status=204),
        Route("POST", password, partial(change_password, passwords), use, body=change, status=204),
        Route(
            "POST",
            f"{password}/reset",
            partial(reset_password, passwords),
            public,
            body=reset,
            status=204,
            max_body=MAX_BODY,
        ),
    ]


def show_totp(apps: Authenticators, request: Request) -> Reply:
    """Show whether the caller has an authenticator app."""
    return Reply(200, apps.status(request.actor))


def enrol_totp(apps: Authenticators, request: Request) -> Reply:
    """Begin to enrol an authenticator app; it counts once it is confirmed."""
    return Reply(200, apps.begin(request.actor))


def confirm_totp(apps: Authenticators, request: Request) -> Reply:
    """Confirm an enrolment with a first code; the answer is the only place where the recovery codes are shown."""
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
