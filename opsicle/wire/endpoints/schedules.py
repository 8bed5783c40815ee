"""Endpoints of schedules."""

from __future__ import annotations

from opsicle.wire.endpoint import MAX_DOCUMENT_BODY_BYTES, PAGE, Endpoint
from opsicle.wire.pages import Page
from opsicle.wire.schedule_api import NextTimes, SchedulePushed, ScheduleSummary, ScheduleVersion
from opsicle.wire.user_api import Automation, SourceRequest

LIST_SCHEDULES = Endpoint("GET", "/api/v1/schedules", reply=Page[ScheduleSummary], query=PAGE)
PUSH = Endpoint(
    "POST",
    "/api/v1/schedules",
    body=SourceRequest,
    reply=SchedulePushed,
    status=201,
    max_body=MAX_DOCUMENT_BODY_BYTES,
)
SHOW = Endpoint("GET", "/api/v1/schedules/<schedule>", reply=ScheduleVersion)
DELETE = Endpoint[None]("DELETE", "/api/v1/schedules/<schedule>", status=204)
LIST_VERSIONS = Endpoint(
    "GET", "/api/v1/schedules/<schedule>/versions", reply=Page[ScheduleSummary], query=PAGE
)
SHOW_VERSION = Endpoint(
    "GET", "/api/v1/schedules/<schedule>/versions/<version>", reply=ScheduleVersion
)
PAUSE = Endpoint("POST", "/api/v1/schedules/<schedule>/pause", reply=ScheduleVersion)
RESUME = Endpoint("POST", "/api/v1/schedules/<schedule>/resume", reply=ScheduleVersion)
NEXT_TIMES = Endpoint(
    "GET", "/api/v1/schedules/<schedule>/next", reply=NextTimes, query={"count": int}
)
RUN = Endpoint("POST", "/api/v1/schedules/<schedule>/run", reply=Automation, status=201)
