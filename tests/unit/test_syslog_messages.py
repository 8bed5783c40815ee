"""Entries of the record as messages of syslog, and as lines of a file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opsicle.server.forwarding.events import MAX_MESSAGE_BYTES, Event, json_line, syslog_message
from tests.collector import take_apart

# Messages


def event(**fields: Any) -> Event:
    given = {
        "org_id": "o1",
        "org": "acme",
        "epoch": 2,
        "seq": 7,
        "at": "2026-01-01T00:00:00.000000Z",
        "actor_kind": "user",
        "actor_id": "u1",
        "actor_name": "alice",
        "channel": "cli",
        "address": "::1",
        "verb": "run",
        "resource": "automations/a",
        "data": "{}",
        "hash": "00",
    }
    return Event(**given | fields)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('"] [x y="z', '"] [x y="z'),
        ("back\\slash]", "back\\slash]"),
        ("line\nend\x00\x1b[2J\u2028", "line?end??[2J?"),
        ("Zoë 工", "Zoë 工"),
        ("x" * 500, "x" * 400),
    ],
)
def test_no_text_breaks_out_of_its_place_in_a_message(text: str, shown: str) -> None:
    message = syslog_message(event(actor_name=text, verb=f"run {text}"), f"host {text}")

    assert take_apart(message).fields["actor"] == shown
    assert b"\n" not in message
    assert json.loads(json_line(event(actor_name=text)))["actor_name"] == text


def test_data_is_plain_ascii_json_and_left_out_where_it_would_be_too_long() -> None:
    odd = json.dumps({"a": "ü\u2028\U0001f600\x7f"}, ensure_ascii=False)

    told = take_apart(syslog_message(event(data=odd), "h"))
    long = syslog_message(event(data=json.dumps({"a": "x" * 9000})), "h")

    assert json.loads(told.text) == json.loads(odd)
    assert len(long) <= MAX_MESSAGE_BYTES
    assert json.loads(take_apart(long).text) == {"left_out": "too long for a message"}
