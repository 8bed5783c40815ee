"""Structured logs on the standard library.

Readable lines on a terminal, one JSON object a line anywhere else.

A message is a fixed sentence, what varies is in `extra`: `log.info("job finished", extra={"job_id":
job.id})`.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

import msgspec

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_LEVEL_COLOURS = {
    logging.WARNING: "\x1b[33m",
    logging.ERROR: "\x1b[31m",
    logging.CRITICAL: "\x1b[31m",
}
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"


def configure(*, is_verbose: bool = False, stream: TextIO | None = None) -> None:
    """Send everything that the product logs to `stream` (standard error).

    Calling again replaces what was set.
    """
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.setFormatter(TextFormatter() if target.isatty() else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("opsicle").setLevel(logging.DEBUG if is_verbose else logging.INFO)
    logging.captureWarnings(True)
    # Nothing of ours shows where in the source a line was logged, or in which thread: looking that
    # up costs most.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `at`, `level`, `logger`, `message`, then the record's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        line = {
            "at": _time(record).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info and record.exc_info[0]:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


class TextFormatter(logging.Formatter):
    """`12:00:01 job finished job_id=… state=succeeded`, with an exception as one line.

    A terminal has a person.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end.

        Control characters are shown escaped, so that no field can play terminal.
        """
        colour = _LEVEL_COLOURS.get(record.levelno, "")
        words = [
            f"{_DIM}{_time(record).astimezone():%H:%M:%S}{_PLAIN} "
            f"{colour}{_shown(record.getMessage())}{_PLAIN}"
        ]
        words += [
            f"{_DIM}{name}={_PLAIN}{_shown(str(value), quoted=True)}"
            for name, value in _fields(record).items()
        ]
        if record.exc_info and record.exc_info[1]:
            error = record.exc_info[1]
            words.append(
                f"{_DIM}error={_PLAIN}{_shown(f'{type(error).__name__}: {error}', quoted=True)}"
            )
        return " ".join(words)


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _shown(text: str, *, quoted: bool = False) -> str:
    if text.isprintable() and text and not (quoted and set(text) & {" ", '"', "="}):
        return text
    escaped = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
    return '"' + escaped.replace('"', '\\"') + '"' if quoted else escaped
