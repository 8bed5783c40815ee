"""Orgs as those see and change them who run the server."""

from __future__ import annotations

from opsicle.domain.access import Action
from opsicle.server.http.routing import Route
from opsicle.server.http.serving import serve
from opsicle.server.operation.announcements import Announcements
from opsicle.server.operation.org_status import OrgStatus
from opsicle.server.operation.orgs import OrgOperations
from opsicle.wire.endpoints import announcements as announcement_endpoints
from opsicle.wire.endpoints import operation as endpoints


def routes(orgs: OrgOperations, status: OrgStatus, announcements: Announcements) -> list[Route]:
    """Return the routes of orgs for those who run the server. `<org>` is a code."""
    may = Action.SERVER_MANAGE
    return [
        serve(endpoints.LIST, orgs.list_all, may),
        serve(endpoints.SHOW, orgs.get, may),
        serve(endpoints.CHANGE_QUOTAS, orgs.change_quotas, may),
        serve(endpoints.SUSPEND, status.suspend, may),
        serve(endpoints.RESUME, status.resume, may),
        serve(endpoints.DELETE, status.delete, may),
        serve(announcement_endpoints.LIST, announcements.list_all, may),
        serve(announcement_endpoints.CREATE, announcements.create, may),
        serve(announcement_endpoints.DELETE, announcements.delete, may),
        serve(endpoints.OWN_USAGE, orgs.own_usage, Action.ORGS_MANAGE),
    ]
