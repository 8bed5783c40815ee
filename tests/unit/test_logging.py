"""Logs are one JSON object a line for machines, and one safe, readable line for a person."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from opsicle.kit.logging import JsonFormatter, TextFormatter, configure


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root, ours = logging.getLogger(), logging.getLogger("opsicle")
    before = (root.handlers[:], root.level, ours.level)

    stream = io.StringIO()
    configure(stream=stream)

    yield stream

    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])
    logging.captureWarnings(capture=False)


def record(message: str = "job finished", **fields: object) -> logging.LogRecord:
    made = logging.makeLogRecord(
        {"msg": message, "levelno": logging.INFO, "levelname": "INFO", "name": "opsicle.x"}
    )
    vars(made).update(fields)
    return made


def test_a_line_for_machines_holds_the_message_and_its_fields(stream: io.StringIO) -> None:
    logging.getLogger("opsicle.worker").info("job finished", extra={"job_id": "j1", "seconds": 0.5})

    line = json.loads(stream.getvalue())
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "opsicle.worker",
        "message": "job finished",
        "job_id": "j1",
        "seconds": 0.5,
    }


def test_what_is_no_json_is_shown_as_text() -> None:
    assert json.loads(JsonFormatter().format(record(thing=object)))["thing"] == "<class 'object'>"


def test_a_field_cannot_play_terminal() -> None:
    line = TextFormatter().format(record(reason="red \x1b[31m\x07\nnext line\u202e"))

    assert "\x1b[31m" not in line
    assert not set("\n\x07\u202e") & set(line)
    assert "next line" in line


def test_an_exception_is_one_line_for_a_person_and_whole_for_a_machine() -> None:
    try:
        raise ValueError("no such thing")
    except ValueError as error:
        raised = record(exc_info=(ValueError, error, error.__traceback__))
    text = TextFormatter().format(raised)

    assert "ValueError: no such thing" in text
    assert "Traceback" not in text
    assert "Traceback" in json.loads(JsonFormatter().format(raised))["exception"]


def test_debug_lines_appear_only_when_asked_for(stream: io.StringIO) -> None:
    logging.getLogger("opsicle.worker").debug("quiet")
    assert stream.getvalue() == ""

    configure(is_verbose=True, stream=stream)
    logging.getLogger("opsicle.worker").debug("loud")

    assert "loud" in stream.getvalue()
