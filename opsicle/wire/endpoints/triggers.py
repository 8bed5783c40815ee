"""Endpoints of triggers, and the one that webhooks are sent to."""

from __future__ import annotations

from opsicle.domain.triggers import MAX_BODY_BYTES
from opsicle.wire.endpoint import MAX_DOCUMENT_BODY_BYTES, PAGE, Endpoint
from opsicle.wire.pages import Page
from opsicle.wire.trigger_api import (
    HookReply,
    TriggerCall,
    TriggerPushed,
    TriggerSecret,
    TriggerSummary,
    TriggerVersion,
)
from opsicle.wire.user_api import SourceRequest

CALL = Endpoint(
    "POST", "/hooks/<org>/<trigger>", reply=HookReply, status=202, max_body=MAX_BODY_BYTES
)

LIST_TRIGGERS = Endpoint("GET", "/api/v1/triggers", reply=Page[TriggerSummary], query=PAGE)
PUSH = Endpoint(
    "POST",
    "/api/v1/triggers",
    body=SourceRequest,
    reply=TriggerPushed,
    status=201,
    max_body=MAX_DOCUMENT_BODY_BYTES,
)
SHOW = Endpoint("GET", "/api/v1/triggers/<trigger>", reply=TriggerVersion)
DELETE = Endpoint[None]("DELETE", "/api/v1/triggers/<trigger>", status=204)
LIST_VERSIONS = Endpoint(
    "GET", "/api/v1/triggers/<trigger>/versions", reply=Page[TriggerSummary], query=PAGE
)
SHOW_VERSION = Endpoint(
    "GET", "/api/v1/triggers/<trigger>/versions/<version>", reply=TriggerVersion
)
PAUSE = Endpoint("POST", "/api/v1/triggers/<trigger>/pause", reply=TriggerVersion)
RESUME = Endpoint("POST", "/api/v1/triggers/<trigger>/resume", reply=TriggerVersion)
NEW_SECRET = Endpoint("POST", "/api/v1/triggers/<trigger>/secret", reply=TriggerSecret, status=201)
LIST_CALLS = Endpoint(
    "GET", "/api/v1/triggers/<trigger>/calls", reply=Page[TriggerCall], query=PAGE
)
