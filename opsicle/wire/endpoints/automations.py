"""Endpoints of automations, their logs and live events."""

from __future__ import annotations

from opsicle.wire.endpoint import PAGE, Endpoint
from opsicle.wire.endpoints.logs import LINES_QUERY
from opsicle.wire.order_api import OrderTrail
from opsicle.wire.pages import Page
from opsicle.wire.preview_api import RunPreview
from opsicle.wire.recent_run_api import TemplateRuns
from opsicle.wire.starts import ResumeRequest
from opsicle.wire.user_api import (
    Automation,
    AutomationSummary,
    ListedAutomation,
    RunRequest,
)

RUN = Endpoint("POST", "/api/v1/automations", body=RunRequest, reply=Automation, status=201)
PREVIEW = Endpoint(
    "POST",
    "/api/v1/automations/preview",
    body=RunRequest,
    reply=RunPreview,
    description=(
        "Say what running a template would do, and run nothing.\n\n"
        "Mistakes in the values, where it would run, who must agree."
    ),
)
LIST_AUTOMATIONS = Endpoint(
    "GET",
    "/api/v1/automations",
    reply=Page[ListedAutomation],
    query=PAGE | {"state": str, "template": str, "requester": str, "since": str, "until": str},
)
PLANNED = Endpoint(
    "GET",
    "/api/v1/planned-starts",
    reply=Page[AutomationSummary],
    query=PAGE,
    description="List what is to begin at a time and has not, what begins first first.",
)
RECENT_RUNS = Endpoint(
    "GET",
    "/api/v1/recent-runs",
    reply=Page[TemplateRuns],
    query=PAGE,
    description="List the org's templates by name, each with how its newest automations went.",
)
TEMPLATE_RUNS = Endpoint(
    "GET",
    "/api/v1/templates/<name>/recent-runs",
    reply=TemplateRuns,
    query={"cursor": str, "since": str, "until": str},
)
SHOW = Endpoint(
    "GET",
    "/api/v1/automations/<automation_id>",
    reply=Automation,
    description="Show an automation with its values, phases and jobs.",
)
CANCEL = Endpoint(
    "POST",
    "/api/v1/automations/<automation_id>/cancel",
    reply=Automation,
    description="Cancel a waiting automation, or ask its worker to stop it.",
)
RELEASE = Endpoint(
    "POST",
    "/api/v1/automations/<automation_id>/release",
    reply=Automation,
    description="Let others of its concurrency group begin, though nobody knows how it ended.",
)
RERUN = Endpoint("POST", "/api/v1/automations/<automation_id>/rerun", reply=Automation, status=201)
RESUME = Endpoint(
    "POST",
    "/api/v1/automations/<automation_id>/resume",
    body=ResumeRequest,
    reply=Automation,
    status=201,
)
ORDERS = Endpoint(
    "GET",
    "/api/v1/automations/<automation_id>/orders",
    reply=OrderTrail,
    description=(
        "Show what workers were ordered to do for an automation, as it was signed.\n\n"
        "With what it takes to verify that: the manifest as the server makes it of what it has "
        "stored, and the public keys. Nothing here says that an order is right: verify it."
    ),
)
LOG = Endpoint(
    "GET",
    "/api/v1/automations/<automation_id>/log",
    reply=bytes,
    query={"offset": int, "plan": bool} | LINES_QUERY,
    content_type="application/octet-stream",
)
EVENTS = Endpoint(
    "GET",
    "/api/v1/automations/<automation_id>/events",
    reply=bytes,
    query={"offset": int, "tail": int},
    content_type="text/event-stream",
)
ORG_EVENTS = Endpoint("GET", "/api/v1/events", reply=bytes, content_type="text/event-stream")
