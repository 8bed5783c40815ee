"""Server-sent events: how they look on the wire, how many there may be, how they end."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest
from gevent.event import Event as Gate

from opsicle.domain.errors import TooManyRequests
from opsicle.server.http import open_streams
from opsicle.server.http.event_stream import ServerSentEvent, encode
from opsicle.server.http.open_streams import EventStreams
from opsicle.wire.user_api import Health


def test_an_event_has_its_name_its_id_and_one_line_of_json() -> None:
    assert encode(ServerSentEvent("end", {})) == b"event: end\ndata: {}\n\n"
    assert (
        encode(ServerSentEvent("log", Health("ok"), id="j:7"))
        == b'id: j:7\nevent: log\ndata: {"status":"ok"}\n\n'
    )
    assert encode(ServerSentEvent("x", {"text": "a\nb\r"})).count(b"\n") == 3


def test_a_heartbeat_is_a_comment() -> None:
    assert encode(ServerSentEvent("")).startswith(b":")


def waiting(gate: Gate) -> Iterator[bytes]:
    yield b"first"
    gate.wait()
    yield b"never"


def test_closing_ends_streams_that_wait_as_if_they_were_over() -> None:
    streams, gate = EventStreams(), Gate()
    reading = [
        gevent.spawn(list, streams.admit(f"user-{n}", "acme", waiting(gate))) for n in range(3)
    ]
    gevent.idle()
    assert len(streams) == 3

    streams.close()
    gevent.joinall(reading, timeout=60, raise_error=True)

    assert [greenlet.value for greenlet in reading] == [[b"first"]] * 3
    assert len(streams) == 0


def test_one_user_cannot_open_streams_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_streams, "MAX_STREAMS_PER_USER", 2)
    streams, gate = EventStreams(), Gate()
    reading = [gevent.spawn(list, streams.admit("alice", "acme", waiting(gate))) for _ in range(2)]
    gevent.idle()

    with pytest.raises(TooManyRequests):
        streams.admit("alice", "acme", waiting(gate))
    assert list(streams.admit("bob", "acme", iter([b"x"]))) == [b"x"]

    gate.set()
    gevent.joinall(reading, timeout=60, raise_error=True)
    assert list(streams.admit("alice", "acme", iter([b"x"]))) == [b"x"]
