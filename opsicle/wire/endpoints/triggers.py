"""Endpoints of triggers, and the one that webhooks are sent to."""

from __future__ import annotations

from opsicle.domain.triggers import MAX_BODY_BYTES
from opsicle.wire.document_api import PushRequest
from opsicle.wire.endpoint import MAX_DOCUMENT_BODY_BYTES, PAGE, Endpoint
from opsicle.wire.pages import Page
from opsicle.wire.trigger_api import (
    HookReply,
    SampleCall,
    SampleOutcome,
    TriggerCall,
    TriggerPushed,
    TriggerSecret,
    TriggerSummary,
    TriggerVersion,
)

CALL = Endpoint(
    "POST", "/hooks/<org>/<trigger>", reply=HookReply, status=202, max_body=MAX_BODY_BYTES
)

LIST_TRIGGERS = Endpoint(
    "GET",
    "/api/v1/triggers",
    reply=Page[TriggerSummary],
    query=PAGE,
    description="List the org's triggers by name, each in its newest version.",
)
PUSH = Endpoint(
    "POST",
    "/api/v1/triggers",
    body=PushRequest,
    reply=TriggerPushed,
    status=201,
    max_body=MAX_DOCUMENT_BODY_BYTES,
    description=(
        "Make a new version of a trigger: 201, or 200 if the newest one says the same already."
    ),
)
SHOW = Endpoint(
    "GET",
    "/api/v1/triggers/<trigger>",
    reply=TriggerVersion,
    description="Show a trigger in its newest version.",
)
DELETE = Endpoint[None](
    "DELETE",
    "/api/v1/triggers/<trigger>",
    status=204,
    description="Take a trigger out of use; what it has started goes on.",
)
LIST_VERSIONS = Endpoint(
    "GET",
    "/api/v1/triggers/<trigger>/versions",
    reply=Page[TriggerSummary],
    query=PAGE,
    description="List a trigger's versions, newest first.",
)
SHOW_VERSION = Endpoint(
    "GET",
    "/api/v1/triggers/<trigger>/versions/<version>",
    reply=TriggerVersion,
    description="Show one version of a trigger.",
)
PAUSE = Endpoint(
    "POST",
    "/api/v1/triggers/<trigger>/pause",
    reply=TriggerVersion,
    description="Let a trigger start nothing until it is resumed.",
)
RESUME = Endpoint(
    "POST",
    "/api/v1/triggers/<trigger>/resume",
    reply=TriggerVersion,
    description="Let a paused trigger take calls again.",
)
NEW_SECRET = Endpoint(
    "POST",
    "/api/v1/triggers/<trigger>/secret",
    reply=TriggerSecret,
    status=201,
    description="Give a trigger a new secret, which is shown once; the old one works no longer.",
)
SAMPLE = Endpoint(
    "POST",
    "/api/v1/triggers/<trigger>/sample-calls",
    body=SampleCall,
    reply=SampleOutcome,
    max_body=MAX_DOCUMENT_BODY_BYTES,
    description=(
        "Call a trigger with a sample, signed as its sender signs, and say what that starts.\n\n"
        "Nothing is started, and nothing noted among its calls, unless it is real."
    ),
)
LIST_CALLS = Endpoint(
    "GET",
    "/api/v1/triggers/<trigger>/calls",
    reply=Page[TriggerCall],
    query=PAGE,
    description="List how a trigger was called and what became of that, newest first.",
)
