"""Endpoints of targets."""

from __future__ import annotations

from opsicle.wire.document_api import DocumentPushed
from opsicle.wire.endpoint import MAX_DOCUMENT_BODY_BYTES, PAGE, Endpoint
from opsicle.wire.pages import Page
from opsicle.wire.target_api import (
    PushTargetRequest,
    TargetLastRuns,
    TargetRun,
    TargetSummary,
    TargetVersion,
)
from opsicle.wire.user_api import Automation

LIST_TARGETS = Endpoint(
    "GET",
    "/api/v1/targets",
    reply=Page[TargetSummary],
    query=PAGE,
    description="List the org's targets by name, each in its newest version.",
)
PUSH = Endpoint(
    "POST",
    "/api/v1/targets",
    body=PushTargetRequest,
    reply=DocumentPushed,
    status=201,
    max_body=MAX_DOCUMENT_BODY_BYTES,
    description=(
        "Make a new version of a target.\n\n"
        "201, or 200 where the newest version says the same already."
    ),
)
SHOW = Endpoint(
    "GET",
    "/api/v1/targets/<target>",
    reply=TargetVersion,
    description="Show a target in its newest version.",
)
DELETE = Endpoint[None](
    "DELETE",
    "/api/v1/targets/<target>",
    status=204,
    description="Take a target out of use; what was to run on it and has not begun will not.",
)
CHECK = Endpoint(
    "POST",
    "/api/v1/targets/<target>/check",
    reply=Automation,
    status=201,
    description=(
        "Let a worker log in to a target.\n\n"
        "The answer is an automation; how its one target ends says what the check has found."
    ),
)
LIST_AUTOMATIONS = Endpoint(
    "GET",
    "/api/v1/targets/<target>/automations",
    reply=Page[TargetRun],
    query=PAGE,
    description="List what ran on a target, newest first.",
)
LIST_LAST_RUNS = Endpoint(
    "GET",
    "/api/v1/target-last-runs",
    reply=Page[TargetLastRuns],
    query=PAGE | {"target": str, "template": str, "attention": bool},
)
LIST_VERSIONS = Endpoint(
    "GET",
    "/api/v1/targets/<target>/versions",
    reply=Page[TargetSummary],
    query=PAGE,
    description="List a target's versions, newest first.",
)
SHOW_VERSION = Endpoint(
    "GET",
    "/api/v1/targets/<target>/versions/<version>",
    reply=TargetVersion,
    description="Show one version of a target.",
)
