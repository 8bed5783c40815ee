"""Messages that carry pieces of a job's log to people."""

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


class LogEvent(msgspec.Struct):
    """What a `log` event carries: the next chunks of a job's log."""

    job_id: str
    chunks: list[LogChunk]
