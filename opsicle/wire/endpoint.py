"""What one endpoint is: declared once, read by route, clients and the OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, Generic, TypeVar
from urllib.parse import quote

T = TypeVar("T")

MAX_BODY_BYTES = 2 * 1024 * 1024
"""The longest request body that an endpoint takes unless it says otherwise."""

MAX_DOCUMENT_BODY_BYTES = 4 * 1024 * 1024
"""The longest body with a document in it, which has 1 MiB at most.

JSON makes up to three bytes of one of them: `é`, two bytes, may come as `\\u00e9`."""

MAX_CREDENTIAL_BODY_BYTES = 16 * 1024
"""The longest body of anybody who is not logged in."""

MAX_ENROLMENT_BODY_BYTES = 64 * 1024
"""The longest body of a worker that enrols: a certificate request is a few KiB."""

PAGE: dict[str, type] = {"cursor": str, "limit": int}
"""What every list takes behind the `?`."""

PLACEHOLDER = re.compile(r"<([a-z_]+)>")
"""What stands in a path where a part of it varies."""


@dataclass(frozen=True)
class Endpoint(Generic[T]):
    """One method of one path: what it takes and what it answers.

    `path` has `<name>` where a part of it varies. `query` names the parameters that may stand
    behind the `?` with their types; any other is refused. `reply` is the type of the message that
    comes back; None: nothing does; bytes: no message, but bytes of the kind `content_type`.
    A `body` of type bytes is no message either, but bytes that the handler takes in as they come.
    `description` is for the OpenAPI document, in paragraphs; "" where a handler's docstring has
    it.
    """

    method: str
    path: str
    body: Any = None
    reply: type[T] = NoneType  # type: ignore[assignment]
    query: Mapping[str, type] = field(default_factory=dict)
    status: int = 200
    content_type: str = ""
    description: str = ""
    max_body: int = MAX_BODY_BYTES

    def path_of(self, *names: str) -> str:
        """Return the path with these names, quoted, where a part of it varies.

        Raises ValueError for more or fewer names than the path has places for.
        """
        first, *others = PLACEHOLDER.split(self.path)[::2]
        return first + "".join(
            quote(name, safe="") + other for name, other in zip(names, others, strict=True)
        )
