"""Endpoints of secrets."""

from __future__ import annotations

from opsicle.wire.endpoint import PAGE, Endpoint
from opsicle.wire.pages import Page
from opsicle.wire.secret_api import CreateSecretRequest, Secret, UpdateSecretRequest

LIST_SECRETS = Endpoint("GET", "/api/v1/secrets", reply=Page[Secret], query=PAGE)
CREATE = Endpoint("POST", "/api/v1/secrets", body=CreateSecretRequest, reply=Secret, status=201)
SHOW = Endpoint("GET", "/api/v1/secrets/<secret>", reply=Secret)
UPDATE = Endpoint("PUT", "/api/v1/secrets/<secret>", body=UpdateSecretRequest, reply=Secret)
DELETE = Endpoint[None]("DELETE", "/api/v1/secrets/<secret>", status=204)
