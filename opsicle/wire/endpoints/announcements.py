"""Endpoints of announcements for those who run the server; people get them with who they are."""

from __future__ import annotations

from opsicle.wire.announcement_api import CreateAnnouncementRequest, PostedAnnouncement
from opsicle.wire.endpoint import PAGE, Endpoint
from opsicle.wire.pages import Page

LIST = Endpoint(
    "GET",
    "/api/v1/server/announcements",
    reply=Page[PostedAnnouncement],
    query=PAGE,
    description="List announcements, also those to come and of the past month.",
)
CREATE = Endpoint(
    "POST",
    "/api/v1/server/announcements",
    body=CreateAnnouncementRequest,
    reply=PostedAnnouncement,
    status=201,
    description="Announce something to the people of all orgs or of one.",
)
DELETE = Endpoint[None](
    "DELETE",
    "/api/v1/server/announcements/<announcement>",
    status=204,
    description="Delete an announcement: nobody is shown it from now on.",
)
