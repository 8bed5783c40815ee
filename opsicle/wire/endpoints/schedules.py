"""Endpoints of schedules."""

from __future__ import annotations

from opsicle.wire.document_api import PushRequest
from opsicle.wire.endpoint import MAX_DOCUMENT_BODY_BYTES, PAGE, Endpoint
from opsicle.wire.pages import Page
from opsicle.wire.schedule_api import NextTimes, SchedulePushed, ScheduleSummary, ScheduleVersion
from opsicle.wire.user_api import Automation

LIST_SCHEDULES = Endpoint(
    "GET",
    "/api/v1/schedules",
    reply=Page[ScheduleSummary],
    query=PAGE,
    description="List the org's schedules by name, each in its newest version.",
)
PUSH = Endpoint(
    "POST",
    "/api/v1/schedules",
    body=PushRequest,
    reply=SchedulePushed,
    status=201,
    max_body=MAX_DOCUMENT_BODY_BYTES,
    description=(
        "Make a new version of a schedule: 201, or 200 if the newest one says the same already."
    ),
)
SHOW = Endpoint(
    "GET",
    "/api/v1/schedules/<schedule>",
    reply=ScheduleVersion,
    description="Show a schedule in its newest version.",
)
DELETE = Endpoint[None](
    "DELETE",
    "/api/v1/schedules/<schedule>",
    status=204,
    description="Take a schedule out of use; what it has started goes on.",
)
LIST_VERSIONS = Endpoint(
    "GET",
    "/api/v1/schedules/<schedule>/versions",
    reply=Page[ScheduleSummary],
    query=PAGE,
    description="List a schedule's versions, newest first.",
)
SHOW_VERSION = Endpoint(
    "GET",
    "/api/v1/schedules/<schedule>/versions/<version>",
    reply=ScheduleVersion,
    description="Show one version of a schedule.",
)
PAUSE = Endpoint(
    "POST",
    "/api/v1/schedules/<schedule>/pause",
    reply=ScheduleVersion,
    description="Let a schedule start nothing by itself until it is resumed.",
)
RESUME = Endpoint(
    "POST",
    "/api/v1/schedules/<schedule>/resume",
    reply=ScheduleVersion,
    description="Let a paused schedule go on with its next time.",
)
NEXT_TIMES = Endpoint(
    "GET", "/api/v1/schedules/<schedule>/next", reply=NextTimes, query={"count": int}
)
RUN = Endpoint("POST", "/api/v1/schedules/<schedule>/run", reply=Automation, status=201)
