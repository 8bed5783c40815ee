"""Lines of logs, and what is found in them, as people see it."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from opsicle.server.dispatch.log_lines import OpenLine
from opsicle.server.dispatch.log_pages import LinePage
from opsicle.server.logs.search import Hit, SearchResult
from opsicle.server.store.automations import AutomationRow
from opsicle.wire.log_api import FoundLogLine, LogLine, LogLines, LogMatch, LogMatches


def found_lines(job_id: str, page: LinePage) -> LogLines:
    """Return a page of lines."""
    return LogLines(
        job_id=job_id,
        lines=[
            LogLine(
                **_place(found.line),
                data=base64.b64encode(found.content).decode(),
                is_whole=found.is_whole,
            )
            for found in page.lines
        ],
        total_lines=page.total,
        next_line=page.next_line,
    )


def found_matches(job_id: str, searched: SearchResult, size: int, next_cursor: str) -> LogMatches:
    """Return what a search in one log has found."""
    return LogMatches(
        job_id=job_id,
        items=[LogMatch(**_place(hit.line), **_excerpt(hit)) for hit in searched.hits],
        matches=searched.matches,
        searched_bytes=searched.bytes,
        total_bytes=size,
        missing_bytes=searched.missing_bytes,
        next_cursor=next_cursor,
    )


def found_line(hit: Hit, row: AutomationRow) -> FoundLogLine:
    """Return a line that was found in one of many logs."""
    return FoundLogLine(
        automation_id=row.id,
        template=row.template,
        version=row.version,
        **_place(hit.line),
        **_excerpt(hit),
    )


def _place(line: OpenLine) -> dict[str, Any]:
    return {
        "line": line.number,
        "phase": line.phase,
        "stream": line.stream,
        "at": datetime.fromtimestamp(line.at_ms / 1000, UTC),
        "offset": line.offset,
    }


def _excerpt(hit: Hit) -> dict[str, Any]:
    """Return an excerpt's text, and where in its characters the match is."""
    before, match, after = (
        part.decode("utf-8", "replace")
        for part in (
            hit.excerpt[: hit.start],
            hit.excerpt[hit.start : hit.end],
            hit.excerpt[hit.end :],
        )
    )
    return {
        "text": before + match + after,
        "start": len(before),
        "end": len(before) + len(match),
    }
