"""Endpoints of approval policies."""

from __future__ import annotations

from opsicle.wire.document_api import DocumentPushed, PushRequest
from opsicle.wire.endpoint import MAX_DOCUMENT_BODY_BYTES, PAGE, Endpoint
from opsicle.wire.pages import Page
from opsicle.wire.policy_api import PolicyVersion, PolicyVersionSummary

LIST_POLICIES = Endpoint(
    "GET",
    "/api/v1/policies",
    reply=Page[PolicyVersionSummary],
    query=PAGE,
    description="List the org's approval policies by name, each in its newest version.",
)
PUSH = Endpoint(
    "POST",
    "/api/v1/policies",
    body=PushRequest,
    reply=DocumentPushed,
    status=201,
    max_body=MAX_DOCUMENT_BODY_BYTES,
    description=(
        "Make a new version of an approval policy.\n\n"
        "201, or 200 where the newest version says the same already."
    ),
)
SHOW = Endpoint(
    "GET",
    "/api/v1/policies/<policy>",
    reply=PolicyVersion,
    description="Show an approval policy in its newest version.",
)
DELETE = Endpoint[None](
    "DELETE",
    "/api/v1/policies/<policy>",
    status=204,
    description=(
        "Take an approval policy out of use; what it approved and has not begun will not run."
    ),
)
LIST_VERSIONS = Endpoint(
    "GET",
    "/api/v1/policies/<policy>/versions",
    reply=Page[PolicyVersionSummary],
    query=PAGE,
    description="List an approval policy's versions, newest first.",
)
SHOW_VERSION = Endpoint(
    "GET",
    "/api/v1/policies/<policy>/versions/<version>",
    reply=PolicyVersion,
    description="Show one version of an approval policy.",
)
