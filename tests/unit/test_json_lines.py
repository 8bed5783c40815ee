"""Entries of the record as lines of JSON, one for each, whatever is stored of them."""

from __future__ import annotations

import json

import pytest

from opsicle.server.forwarding.events import Event, json_line

ENTRY = Event(
    org_id="o1",
    org="acme",
    epoch=1,
    seq=7,
    at="2026-01-01T00:00:00.000000Z",
    actor_kind="user",
    actor_id="u1",
    actor_name="alice",
    channel="cli",
    address="::1",
    verb="run",
    resource="automations/a",
    data="{}",
    hash="00",
)


@pytest.mark.parametrize("data", ['{}}\n{"verb": "run", "data": {}', '{}, "verb": "stop"', "{\n}"])
def test_altered_data_adds_neither_a_line_nor_a_field(data: str) -> None:
    entry = ENTRY._replace(data=data)

    line = json_line(entry)

    assert line.count(b"\n") == 1
    assert json.loads(line) == entry._asdict()
