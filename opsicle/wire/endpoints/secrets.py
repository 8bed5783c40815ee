"""Endpoints of secrets."""

from __future__ import annotations

from opsicle.wire.endpoint import PAGE, Endpoint
from opsicle.wire.pages import Page
from opsicle.wire.secret_api import CreateSecretRequest, Secret, SecretUses, UpdateSecretRequest

LIST_SECRETS = Endpoint(
    "GET",
    "/api/v1/secrets",
    reply=Page[Secret],
    query=PAGE,
    description="List the org's secrets by name, without their values.",
)
CREATE = Endpoint(
    "POST",
    "/api/v1/secrets",
    body=CreateSecretRequest,
    reply=Secret,
    status=201,
    description="Keep a new secret; its value is never shown again.",
)
SHOW = Endpoint(
    "GET",
    "/api/v1/secrets/<secret>",
    reply=Secret,
    description="Show what is known of a secret, but not its value.",
)
SHOW_USES = Endpoint(
    "GET",
    "/api/v1/secrets/<secret>/uses",
    reply=SecretUses,
    description="Show which templates and targets name a secret.",
)
UPDATE = Endpoint(
    "PUT",
    "/api/v1/secrets/<secret>",
    body=UpdateSecretRequest,
    reply=Secret,
    description="Give a secret its next value.",
)
DELETE = Endpoint[None](
    "DELETE",
    "/api/v1/secrets/<secret>",
    status=204,
    description="Remove a secret.",
)
