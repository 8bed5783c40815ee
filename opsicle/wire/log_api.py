"""Messages about logs: pieces and lines of one, and what is found in them."""

from __future__ import annotations

from datetime import datetime

import msgspec


class LogChunk(msgspec.Struct):
    """A piece of a log in an event stream; `data` is base64, because logs are bytes."""

    offset: int
    phase: int
    stream: int
    at: datetime
    data: str


class LogChannel(msgspec.Struct):
    """A phase and one of its streams."""

    phase: int
    stream: int


class LogEvent(msgspec.Struct):
    """What a `log` event carries: the next chunks of a job's log.

    Where a log is shown from a later place on than its beginning, the first event says how many
    lines begin before, and which of them go on here.
    """

    job_id: str
    chunks: list[LogChunk]
    lines_before: int = 0
    open_lines: list[LogChannel] = []


class LogLine(msgspec.Struct, kw_only=True):
    """A line of a log, from where it begins up to its line feed.

    Lines are numbered from 1 in the order in which they begin. `data` is base64, because logs are
    bytes. `is_whole` is false where the line is longer than what is sent of it, or has no end yet.
    """

    line: int
    phase: int
    stream: int
    at: datetime
    offset: int
    data: str
    is_whole: bool


class LogLines(msgspec.Struct, kw_only=True):
    """Some lines of the newest job's log.

    `total_lines` is how many the log has; `next_line` is from where to go on, null at the end of
    what was asked for.
    """

    job_id: str
    lines: list[LogLine]
    total_lines: int
    next_line: int | None = None


class LogMatch(msgspec.Struct, kw_only=True):
    """A line with a match.

    `text` is what stands around the first match in it, which is its characters `start` to `end`.
    """

    line: int
    phase: int
    stream: int
    at: datetime
    offset: int
    text: str
    start: int
    end: int


class LogMatches(msgspec.Struct, kw_only=True):
    """What was found in one log.

    `matches` is how many lines match in the `searched_bytes` that were looked at, of `total_bytes`;
    `missing_bytes` of these are not there any more. An empty `next_cursor` means that all was
    searched and shown.
    """

    job_id: str
    items: list[LogMatch]
    matches: int
    searched_bytes: int
    total_bytes: int
    missing_bytes: int = 0
    next_cursor: str = ""


class FoundLogLine(LogMatch, kw_only=True):
    """A line with a match, and the automation that printed it."""

    automation_id: str
    template: str
    version: int


class FoundLogLines(msgspec.Struct, kw_only=True):
    """What was found in the logs of an org, the newest automation first.

    `searched_bytes` were looked at, of `total_bytes` that all logs of the time come to: null where
    that is not known, as some are hidden from whoever asks or were there before it was noted, and
    behind the first page.
    `searched_back_to` is when the automation was triggered up to which all is searched. An empty
    `next_cursor` means that all was.
    """

    items: list[FoundLogLine]
    searched_bytes: int
    total_bytes: int | None = None
    missing_bytes: int = 0
    searched_back_to: datetime | None = None
    next_cursor: str = ""
