"""The record of who did what."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.domain.errors import InvalidInput, Problem
from opsicle.kit.clock import to_text
from opsicle.server.audit.service import Audit
from opsicle.server.http.lists import list_reply
from opsicle.server.http.routing import Access, Reply, Request, Route
from opsicle.server.http.serving import serve
from opsicle.server.store.audit import AuditFilter
from opsicle.wire.endpoints import audit as endpoints

_MOST_VERBS = 20


def routes(audit: Audit) -> list[Route]:
    """Return the routes of the record."""
    view = Action.AUDIT_VIEW
    return [
        Route(endpoints.LIST_ENTRIES, partial(list_entries, audit), view),
        Route(endpoints.EXPORT, partial(export, audit), view),
        serve(endpoints.VERIFY, audit.verify, view),
        Route(endpoints.SHOW_PUBLIC_KEY, partial(show_public_key, audit), Access.PUBLIC),
    ]


def list_entries(audit: Audit, request: Request) -> Reply:
    """List the org's audit entries, newest first.

    `verb` may be several, with commas between them;
    `actor` is a name or an id; `resource` one thing, as `templates/restart-web`, or a kind of
    things, as `templates`; `since` and `until` (exclusive) are times as RFC 3339 has them, or dates
    in UTC.
    """
    verb = request.query("verb")
    if verb.count(",") >= _MOST_VERBS:
        raise InvalidInput(
            f"these are more than {_MOST_VERBS} verbs",
            hint="Leave the verb out to see all.",
            problems=(Problem("query.verb", "too many"),),
        )
    wanted = AuditFilter(
        verb=verb,
        actor=request.query("actor"),
        resource=request.query("resource"),
        since=_time(request, "since"),
        until=_time(request, "until"),
    )
    return list_reply(
        request, lambda actor, cursor, limit: audit.list_entries(actor, wanted, cursor, limit)
    )


def export(audit: Audit, request: Request) -> Reply:
    """Return the org's whole record as JSON Lines.

    A header, the signed checkpoints, the entries, oldest first.
    """
    disposition = (
        "Content-Disposition",
        f'attachment; filename="audit-{request.actor.org_code}.jsonl"',
    )
    return Reply(
        200,
        stream=audit.export(request.actor),
        headers=(disposition,),
        content_type=endpoints.EXPORT.content_type,
    )


def show_public_key(audit: Audit, _request: Request) -> Reply:
    """Return the public key (PEM) that verifies the checkpoints of this server's records."""
    return Reply(
        200, raw=audit.public_key.pem.encode(), content_type=endpoints.SHOW_PUBLIC_KEY.content_type
    )


def _time(request: Request, name: str) -> str:
    at = request.query_time(name)
    return to_text(at) if at else ""
