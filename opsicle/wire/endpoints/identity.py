"""Endpoints of proofs of identity: authenticator apps, sessions, passwords."""

from __future__ import annotations

from opsicle.wire.endpoint import MAX_CREDENTIAL_BODY_BYTES, PAGE, Endpoint
from opsicle.wire.identity_api import (
    ChangePasswordRequest,
    ForgottenPasswordRequest,
    NewResetLink,
    NewTotp,
    RecoveryCodes,
    ResetPasswordRequest,
    Session,
    StepUpValidity,
    TotpRequest,
    TotpStatus,
)
from opsicle.wire.pages import Page

SHOW_TOTP = Endpoint(
    "GET",
    "/api/v1/totp",
    reply=TotpStatus,
    description="Show whether the caller has an authenticator app.",
)
ENROL_TOTP = Endpoint(
    "POST",
    "/api/v1/totp",
    reply=NewTotp,
    description="Begin to enrol an authenticator app; it counts once it is confirmed.",
)
CONFIRM_TOTP = Endpoint("POST", "/api/v1/totp/confirm", body=TotpRequest, reply=RecoveryCodes)
RENEW_RECOVERY_CODES = Endpoint(
    "POST", "/api/v1/totp/recovery-codes", body=TotpRequest, reply=RecoveryCodes
)
DISABLE_TOTP = Endpoint[None]("POST", "/api/v1/totp/disable", body=TotpRequest, status=204)
STEP_UP = Endpoint("POST", "/api/v1/step-up", body=TotpRequest, reply=StepUpValidity)
LIST_SESSIONS = Endpoint(
    "GET",
    "/api/v1/sessions",
    reply=Page[Session],
    query=PAGE,
    description="List the caller's own sessions, newest first.",
)
REVOKE_SESSION = Endpoint[None](
    "DELETE",
    "/api/v1/sessions/<session_id>",
    status=204,
    description="End one of the caller's own sessions.",
)
CHANGE_PASSWORD = Endpoint[None](
    "POST",
    "/api/v1/password",
    body=ChangePasswordRequest,
    status=204,
    description="Change the caller's own password; their other sessions end.",
)
RESET_PASSWORD = Endpoint[None](
    "POST",
    "/api/v1/password/reset",
    body=ResetPasswordRequest,
    status=204,
    max_body=MAX_CREDENTIAL_BODY_BYTES,
)
FORGOT_PASSWORD = Endpoint[None](
    "POST",
    "/api/v1/password/forgotten",
    body=ForgottenPasswordRequest,
    status=202,
    max_body=MAX_CREDENTIAL_BODY_BYTES,
)
MAKE_RESET_LINK = Endpoint(
    "POST",
    "/api/v1/users/<user>/reset",
    reply=NewResetLink,
    description="Make a one-time link with which a person sets a new password.",
)
RESET_TOTP = Endpoint[None](
    "DELETE",
    "/api/v1/users/<user>/totp",
    status=204,
    description="Take away the authenticator app that a person has lost.",
)
END_SESSIONS = Endpoint[None](
    "DELETE",
    "/api/v1/users/<user>/sessions",
    status=204,
    description="End all sessions of a person in the org.",
)
