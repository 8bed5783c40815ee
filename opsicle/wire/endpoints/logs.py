"""Endpoints of logs: lines of one automation's, and searching. A log whole is `automations.LOG`."""

from __future__ import annotations

from opsicle.wire.endpoint import Endpoint
from opsicle.wire.log_api import FoundLogLines, LogLines, LogMatches

LINES_QUERY: dict[str, type] = {
    "from_line": int,
    "from_byte": int,
    "lines": int,
    "tail": int,
    "before_line": int,
    "from": str,
    "to": str,
    "stream": str,
}
"""Which lines of a log."""

_SOUGHT: dict[str, type] = {
    "text": str,
    "regex": bool,
    "ignore_case": bool,
    "stream": str,
    "cursor": str,
    "limit": int,
}

LINES = Endpoint(
    "GET",
    "/api/v1/automations/<automation_id>/log/lines",
    reply=LogLines,
    query={"plan": bool} | LINES_QUERY,
)
FIND = Endpoint(
    "GET",
    "/api/v1/automations/<automation_id>/log/search",
    reply=LogMatches,
    query={"plan": bool} | _SOUGHT,
)
SEARCH = Endpoint(
    "GET",
    "/api/v1/logs/search",
    reply=FoundLogLines,
    query=_SOUGHT | {"since": str, "until": str, "template": str},
)
