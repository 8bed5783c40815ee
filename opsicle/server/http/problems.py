"""Errors as answers of the server."""

from __future__ import annotations

from http import HTTPStatus

from opsicle.domain.errors import OpsicleError, TooManyRequests
from opsicle.server.http.routing import Reply
from opsicle.wire.problems import CONTENT_TYPE, ProblemDocument, encode, status_of


def reply_to(error: OpsicleError) -> Reply:
    """Return the answer that tells the caller of this error."""
    status = status_of(error)
    headers: tuple[tuple[str, str], ...] = ()
    if isinstance(error, TooManyRequests):
        headers = (("Retry-After", str(error.retry_after)),)
    if status == HTTPStatus.UNAUTHORIZED:
        headers = (("WWW-Authenticate", "Bearer"),)

    document = ProblemDocument(
        title=error.title,
        status=status,
        code=error.code,
        detail=error.message,
        hint=error.hint,
        errors=error.problems,
    )
    return Reply(status, raw=encode(document), headers=headers, content_type=CONTENT_TYPE)


def method_not_allowed(allowed: str) -> Reply:
    """Return the answer where the path is right and the method is not."""
    document = ProblemDocument(
        title="Method not allowed",
        status=HTTPStatus.METHOD_NOT_ALLOWED,
        code="method_not_allowed",
        detail="this path does not take this method",
        hint=f"It takes {allowed}.",
    )
    headers = (("Allow", allowed),)
    return Reply(document.status, raw=encode(document), headers=headers, content_type=CONTENT_TYPE)
