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
from opsicle.server.members.recovery import Recovery
from opsicle.server.members.resets import ForgottenPasswords
from opsicle.wire import identity_api as wire


@dataclass(frozen=True)
class Identity:
    """The services behind these routes."""

    apps: Authenticators
    step_up: StepUp
    sessions: Sessions
    passwords: PasswordChanges
    recovery: Recovery
    forgotten: ForgottenPasswords


def routes(identity: Identity) -> list[Route]:
    """The routes of proof of identity. `<user>` is an id or an e-mail address."""
    return [*_own_routes(identity), *_admin_routes(identity.recovery)]


def _own_routes(identity: Identity) -> list[Route]:
    use, apps, passwords = Action.ACCOUNT_USE, identity.apps, identity.passwords
    code, codes = wire.TotpRequest, wire.RecoveryCodes
    totp, password = "/api/v1/totp", "/api/v1/password"
    change, reset = wire.ChangePasswordRequest, wire.ResetPasswordRequest
    page, public = Page[wire.Session], Access.PUBLIC
    sessions, forgotten = identity.sessions, wire.ForgottenPasswordRequest
    return [
        Route("GET", totp, partial(show_totp, apps), use, reply=wire.TotpStatus),
        Route("POST", totp, partial(enrol_totp, apps), use, reply=wire.NewTotp),
        Route("POST", f"{totp}/confirm", partial(confirm_totp, apps), use, body=code, reply=codes),
        Route("POST", f"{totp}/recovery-codes", partial(renew_recovery_codes, apps), use, body=code, reply=codes),
        Route("POST", f"{totp}/disable", partial(disable_totp, apps), use, body=code, status=204),
        Route("POST", "/api/v1/step-up", partial(step_up, identity.step_up), use, body=code, reply=wire.StepUp),
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
        Route(
            "POST",
            f"{password}/forgotten",
            partial(forgot_password, identity.forgotten),
            public,
            body=forgotten,
            status=202,
            max_body=MAX_BODY,
        ),
    ]


def _admin_routes(recovery: Recovery) -> list[Route]:
    manage, one = Action.USERS_MANAGE, "/api/v1/users/<user>"
    return [
        Route("POST", f"{one}/reset", partial(make_reset_link, recovery), manage, reply=wire.NewResetLink),
        Route("DELETE", f"{one}/totp", partial(reset_totp, recovery), manage, status=204),
        Route("DELETE", f"{one}/sessions", partial(end_sessions, recovery), manage, status=204),
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


def forgot_password(forgotten: ForgottenPasswords, request: Request) -> Reply:
    """Ask for a link for a new password by e-mail; the answer says nothing of whether one goes out."""
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
