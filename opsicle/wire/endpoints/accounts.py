"""Endpoints of the way in: setting up, logging in and out, who am I."""

from __future__ import annotations

from opsicle.wire.display_api import Display
from opsicle.wire.endpoint import MAX_CREDENTIAL_BODY_BYTES, Endpoint
from opsicle.wire.identity_api import SetupState
from opsicle.wire.user_api import LoginReply, LoginRequest, Me, SetupRequest

SETUP_STATE = Endpoint("GET", "/api/v1/setup", reply=SetupState)
SET_UP = Endpoint(
    "POST", "/api/v1/setup", body=SetupRequest, reply=Me, max_body=MAX_CREDENTIAL_BODY_BYTES
)
LOGIN = Endpoint(
    "POST", "/api/v1/login", body=LoginRequest, reply=LoginReply, max_body=MAX_CREDENTIAL_BODY_BYTES
)
LOGOUT = Endpoint[None]("POST", "/api/v1/logout", status=204)
WHOAMI = Endpoint("GET", "/api/v1/whoami", reply=Me)
SET_DISPLAY = Endpoint(
    "PUT",
    "/api/v1/display",
    body=Display,
    reply=Display,
    description="Choose the language of the pages, and how they show times.",
)
