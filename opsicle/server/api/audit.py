"""The record of who did what."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.api.http import Page, Reply, Request, Route
from opsicle.server.api.lists import LISTING, list_reply
from opsicle.server.services.audit import Audit
from opsicle.wire.user_api import AuditEntry


def routes(audit: Audit) -> list[Route]:
    """The routes of the record."""
    path, view = "/api/v1/audit", Action.AUDIT_VIEW
    return [Route("GET", path, partial(list_entries, audit), view, query=LISTING, reply=Page[AuditEntry])]


def list_entries(audit: Audit, request: Request) -> Reply:
    """List the org's audit entries, newest first."""
    return list_reply(request, audit.list_entries)
