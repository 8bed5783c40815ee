"""What one endpoint is: declared once, and read by the route, by clients and by the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")

MAX_BODY_BYTES = 2 * 1024 * 1024
"""The longest request body that an endpoint takes unless it says otherwise."""

MAX_DOCUMENT_BODY_BYTES = 4 * 1024 * 1024
"""A document has 1 MiB at most. JSON makes up to three bytes of one of them: `é`, two bytes, may come as `\\u00e9`."""

MAX_CREDENTIAL_BODY_BYTES = 16 * 1024
"""For what anybody may send who is not logged in."""

MAX_ENROLMENT_BODY_BYTES = 64 * 1024
"""A certificate request is a few KiB."""

PAGE: dict[str, type] = {"cursor": str, "limit": int}
"""What every list takes behind the `?`."""


@dataclass(frozen=True)
class Endpoint(Generic[T]):
    """One method of one path: what it takes and what it answers.

    `path` has `<name>` where a part of it varies. `query` names the parameters that may stand behind the `?` with
    their types; any other is refused. `content_type` says that the answer is no message but bytes of that kind.
    """

    method: str
    path: str
    body: Any = None
    reply: type[T] | None = None
    query: Mapping[str, type] = field(default_factory=dict)
    status: int = 200
    content_type: str = ""
    max_body: int = MAX_BODY_BYTES
