"""Approvals: the inbox, what an approver sees, and deciding."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.domain.approvals import ApprovalState, Verdict
from opsicle.domain.errors import InvalidInput, Problem
from opsicle.server.approvals.service import Approvals
from opsicle.server.http.lists import list_reply
from opsicle.server.http.routing import Reply, Request, Route
from opsicle.server.http.serving import serve
from opsicle.server.store.approvals import ApprovalFilter
from opsicle.wire.approval_api import DecisionRequest
from opsicle.wire.endpoints import approvals as endpoints

WHOSE = ("inbox", "asked", "all")


def routes(approvals: Approvals) -> list[Route]:
    """Return the routes of approvals."""
    view, decide = Action.APPROVALS_VIEW, Action.APPROVALS_DECIDE
    see = Action.TEMPLATES_VIEW
    return [
        Route(endpoints.LIST_APPROVALS, partial(list_approvals, approvals), view),
        Route(endpoints.PREVIEW, partial(preview, approvals), see),
        serve(endpoints.SHOW, approvals.get, view),
        Route(endpoints.APPROVE, partial(approve, approvals), decide),
        Route(endpoints.REJECT, partial(reject, approvals), decide),
        serve(endpoints.WITHDRAW, approvals.withdraw, view),
    ]


def list_approvals(approvals: Approvals, request: Request) -> Reply:
    """List what the caller may decide now.

    With `whose`, what they `asked` for, or `all` of the org.
    """
    whose = _one_of("whose", request.query("whose"), WHOSE) or "inbox"
    state = _one_of("state", request.query("state"), tuple(ApprovalState))
    if whose == "inbox" and state in {"", ApprovalState.PENDING}:
        return list_reply(request, approvals.inbox)
    if whose == "inbox":
        raise _unknown("state", "an inbox holds only what is pending", "Ask for `whose=all` too.")
    wanted = ApprovalFilter(
        state=state, requester_id=request.actor.user_id if whose == "asked" else ""
    )
    return list_reply(
        request, lambda actor, cursor, limit: approvals.list_newest(actor, wanted, cursor, limit)
    )


def preview(approvals: Approvals, request: Request, name: str) -> Reply:
    """Say before a template is run who would have to agree.

    `version` is the newest unless told, `requester` whoever asks.
    """
    version = request.query_int("version", 0)
    requester = request.query("requester")
    return Reply(200, approvals.need(request.actor, name, version or None, requester))


def approve(approvals: Approvals, request: Request, approval_id: str) -> Reply:
    """Agree to one waiting automation, exactly as it is shown."""
    return _decide(approvals, request, approval_id, Verdict.APPROVE)


def reject(approvals: Approvals, request: Request, approval_id: str) -> Reply:
    """Refuse one waiting automation."""
    return _decide(approvals, request, approval_id, Verdict.REJECT)


def _decide(approvals: Approvals, request: Request, approval_id: str, verdict: Verdict) -> Reply:
    approvals.decide(request.actor, approval_id, verdict, request.body(DecisionRequest))
    return Reply(200, approvals.get(request.actor, approval_id))


def _one_of(name: str, given: str, known: tuple[str, ...]) -> str:
    if given and given not in known:
        raise _unknown(name, f"there is no {name} {given!r}", f"It is one of {', '.join(known)}.")
    return given


def _unknown(name: str, message: str, hint: str) -> InvalidInput:
    return InvalidInput(message, hint=hint, problems=(Problem(f"query.{name}", message),))
