"""Errors as they cross the wire.

RFC 9457 problems, made and read here alone, for people's calls and workers' alike.
"""

from __future__ import annotations

from http import HTTPStatus

import msgspec

from opsicle.domain import errors
from opsicle.domain.errors import (
    BY_CODE,
    InvalidInput,
    OpsicleError,
    Problem,
    TooManyRequests,
    Unavailable,
)

CONTENT_TYPE = "application/problem+json"

_STATUS: dict[type[OpsicleError], int] = {
    errors.InvalidInput: 400,
    errors.NotAuthenticated: 401,
    errors.NotAllowed: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Gone: 410,
    errors.TooLarge: 413,
    errors.TooManyRequests: 429,
    errors.Internal: 500,
    errors.Unreachable: 502,
    errors.Unavailable: 503,
}

_MEANINGS = {status: kind for kind, status in _STATUS.items()} | {
    502: Unavailable,
    504: Unavailable,
}
"""What a status stands for that comes without a code of ours: from a proxy, or something that is no
Opsicle."""


class ProblemDocument(msgspec.Struct, kw_only=True):
    """What went wrong.

    `code` is stable; `errors` says where in the input; `type` is always `about:blank`.
    """

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    hint: str = ""
    errors: tuple[Problem, ...] = ()


class _Received(msgspec.Struct):
    """The document as anybody may send it, as far as we show it."""

    title: str = ""
    code: str = ""
    detail: str = ""
    hint: str = ""
    errors: tuple[Problem, ...] = ()


def status_of(error: OpsicleError) -> int:
    """Return the HTTP status that an error goes out with.

    It is its own class's, or else its nearest ancestor's.
    """
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)


def encode(document: ProblemDocument) -> bytes:
    """Return the document as JSON."""
    return msgspec.json.encode(document)


def error_of(status: int, content: bytes, retry_after: str | None = None) -> OpsicleError:
    """Return the error that an answer of this status stands for, whatever its content.

    `retry_after` is the header of that name; what is no whole number of seconds counts as 1.
    """
    try:
        received = msgspec.json.decode(content, type=_Received)
    except (msgspec.DecodeError, RecursionError):
        received = _Received()
    message = received.detail or received.title or f"the server answered with HTTP status {status}"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return TooManyRequests(message, retry_after=_seconds(retry_after), hint=received.hint)
    fallback = InvalidInput if 400 <= status < 500 else errors.Internal
    kind = BY_CODE.get(received.code) or _MEANINGS.get(status, fallback)
    return kind(message, hint=received.hint, problems=received.errors)


def _seconds(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 7 else 1
