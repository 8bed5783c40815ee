"""Reading lines of logs, and searching them, page after page."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from opsicle.client.api import Api
from opsicle.wire.endpoints import logs as endpoints
from opsicle.wire.log_api import FoundLogLine, FoundLogLines, LogLine, LogMatch
from opsicle.wire.pages import MAX_PAGE_SIZE

Query = Mapping[str, Any]


def read_lines(api: Api, automation_id: str, query: Query) -> Iterator[tuple[LogLine, bytes]]:
    """Yield lines of an automation's log with their bytes, as `logs.LINES` takes it.

    `lines` or `tail` may be more than one page holds.
    """
    wanted = dict(query)
    left: int | None = wanted.get("tail") or wanted.get("lines")
    while True:
        page = api.call(endpoints.LINES, automation_id, query=wanted)
        for line in page.lines:
            yield line, base64.b64decode(line.data)
        if left is not None:
            left -= len(page.lines)
        if page.next_line is None or (left is not None and left <= 0):
            return
        wanted = {**wanted, "tail": None, "from_line": page.next_line, "lines": left}


def find_lines(api: Api, automation_id: str, query: Query) -> Iterator[LogMatch]:
    """Yield the lines of an automation's log that match, as `logs.FIND` takes it."""
    cursor = ""
    while True:
        page = api.call(endpoints.FIND, automation_id, query={**query, "cursor": cursor})
        yield from page.items
        cursor = page.next_cursor
        if not cursor:
            return


class LogSearchProgress(msgspec.Struct):
    """How far a search through the logs of the org has come. `cursor` "": to the end."""

    searched_bytes: int = 0
    total_bytes: int | None = None
    missing_bytes: int = 0
    back_to: str = ""
    cursor: str = ""

    def add(self, page: FoundLogLines) -> None:
        """Count what one request has searched."""
        self.searched_bytes += page.searched_bytes
        self.missing_bytes += page.missing_bytes
        if page.total_bytes is not None:
            self.total_bytes = page.total_bytes
        if page.searched_back_to:
            self.back_to = f"{page.searched_back_to:%Y-%m-%d %H:%M}"
        self.cursor = page.next_cursor


def search_logs(
    api: Api, query: Query, most: int, progress: LogSearchProgress
) -> Iterator[FoundLogLine]:
    """Yield the lines that match in the logs of the org, `most` of them, as `logs.SEARCH` takes it.

    From where `progress` stands on, which says how far it has come at the end.
    """
    while most > 0:
        wanted = {**query, "cursor": progress.cursor, "limit": min(most, MAX_PAGE_SIZE)}
        page = api.call(endpoints.SEARCH, query=wanted)
        progress.add(page)
        yield from page.items
        most -= len(page.items)
        if not page.next_cursor:
            return
