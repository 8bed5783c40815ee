"""Our side of a WebSocket, against the library `websockets` and against rude servers."""

from __future__ import annotations

import base64
import hashlib
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path

import pytest
from websockets.sync.server import ServerConnection, serve

from opsicle.server.channels.egress import EgressScope
from opsicle.server.channels.kinds.slack.websocket import MAX_MESSAGE_BYTES, WebSocket
from opsicle.server.channels.messages import Undelivered
from tests.api.receivers import LOOPBACK, certified

REACH = EgressScope(tuple(LOOPBACK))
SWITCHING, UPGRADE = (
    b"HTTP/1.1 101 Switching Protocols",
    b"Upgrade: websocket\r\nConnection: Upgrade",
)
ACCEPT = b"Sec-WebSocket-Accept: bm90IHlvdXJzIQ=="


@contextmanager
def server(
    handler: Callable[[ServerConnection], None], tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    listening = serve(handler, "127.0.0.1", 0, ssl=tls, max_size=None)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    try:
        yield listening.socket.getsockname()[1]
    finally:
        listening.shutdown()
        thread.join()


@contextmanager
def rude_server(
    frames: bytes, head: Iterable[bytes] = (SWITCHING, UPGRADE), drip: bytes = b""
) -> Iterator[int]:
    """Shake hands with this head and the right key, unless the head has one, and send these bytes.

    Then say nothing until the client goes, or `drip` again and again.
    """

    def run() -> None:
        connection, _ = listening.accept()
        with connection, suppress(ConnectionError):
            key = connection.recv(65536).partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
            digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
            accept = b"Sec-WebSocket-Accept: " + base64.b64encode(digest)
            connection.sendall(
                b"\r\n".join([*head, *([] if ACCEPT in head else [accept]), b"", b""]) + frames
            )
            connection.settimeout(0.05 if drip else None)
            while True:
                try:
                    if not connection.recv(65536):
                        return
                except TimeoutError:
                    connection.sendall(drip)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            thread.join()


@contextmanager
def opened(serving: AbstractContextManager[int]) -> Iterator[WebSocket]:
    with (
        serving as port,
        closing(WebSocket.open(f"ws://127.0.0.1:{port}/link/?ticket=1", REACH)) as client,
    ):
        yield client


def echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 300_000, MAX_MESSAGE_BYTES])
def test_messages_of_every_size_go_there_and_back(size: int) -> None:
    with opened(server(echo)) as client:
        text = ("ab€" * (size // 5 + 1)).encode()[:size].decode(errors="ignore")
        for _ in range(2):
            client.send(text)
            assert client.receive(60) == text


def test_a_message_in_pieces_is_one_and_pings_between_are_answered() -> None:
    ponged = threading.Event()

    def handler(connection: ServerConnection) -> None:
        connection.send(iter(["one ", "two ", "", "three"]))
        if connection.ping().wait(60):
            ponged.set()
        for _ in connection:
            pass

    with opened(server(handler)) as client:
        assert client.receive(60) == "one two three"
        client.receive(0.2)
        assert ponged.wait(60)


def test_a_quiet_side_that_still_answers_pings_is_not_silent() -> None:
    with opened(server(echo)) as client:
        assert [client.receive(0.2) for _ in range(4)] == [None] * 4
        client.send("still there")
        assert client.receive(60) == "still there"


def test_the_end_is_noticed() -> None:
    def handler(connection: ServerConnection) -> None:
        connection.close()

    with (
        opened(server(handler)) as client,
        pytest.raises(Undelivered, match="has closed the connection"),
    ):
        client.receive(60)


@pytest.mark.parametrize(
    ("frames", "why"),
    [
        (b"", "fell silent"),
        (b"\x81\x05ab", "fell silent"),
        (b"\x01\x02ab", "fell silent"),
        (b"\x81\x7f" + (MAX_MESSAGE_BYTES + 1).to_bytes(8), "too long"),
        (
            (b"\x01\x7f" + (600_000).to_bytes(8) + b"x" * 600_000)
            + (b"\x80\x7f" + (600_000).to_bytes(8) + b"x" * 600_000),
            "too long",
        ),
        (b"\x82\x01a", "as it should"),
        (b"\x80\x01a", "as it should"),
        (b"\x01\x01a\x81\x01b", "as it should"),
        (b"\xc1\x01a", "as it should"),
        (b"\x81\x81\0\0\0\0a", "as it should"),
        (b"\x89\x7e\x00\x80" + b"x" * 128, "as it should"),
        (b"\x8b\x00", "as it should"),
        (b"\x81\x01\xff", "as it should"),
    ],
)
def test_what_breaks_the_rules_ends_the_connection(
    frames: bytes, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience = 0.3 if why == "fell silent" else 60
    monkeypatch.setattr("opsicle.server.channels.kinds.slack.websocket.EXCHANGE_SECONDS", patience)

    with opened(rude_server(frames)) as client, pytest.raises(Undelivered, match=why):
        assert [client.receive(patience), client.receive(patience)] == []


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ((SWITCHING, UPGRADE, ACCEPT), "as it should"),
        ((SWITCHING,), "as it should"),
        ((SWITCHING, b"Upgrade: h2c\r\nConnection: Upgrade"), "as it should"),
        ((SWITCHING, UPGRADE, b"Sec-WebSocket-Extensions: permessage-deflate"), "as it should"),
        ((SWITCHING, UPGRADE, b"Sec-WebSocket-Protocol: other"), "as it should"),
        ((b"SSH-2.0-OpenSSH_9.2",), "as it should"),
        ((SWITCHING, UPGRADE, b"X: " + b"x" * 100_000), "as it should"),
        ((SWITCHING, UPGRADE, *[b"X: x"] * 1_000), "as it should"),
        (
            (b"HTTP/1.1 302 Found", b"Location: ws://192.0.2.1/", b"Content-Length: 0"),
            "it answered 302",
        ),
        ((b"HTTP/1.1 403 Forbidden", b"Content-Length: 0"), "it answered 403"),
    ],
    ids=range(10),
)
def test_what_is_no_answer_to_our_handshake_is_refused(head: tuple[bytes, ...], why: str) -> None:
    with rude_server(b"", head) as port, pytest.raises(Undelivered, match=why):
        WebSocket.open(f"ws://127.0.0.1:{port}", REACH)


def test_a_message_that_never_ends_holds_nobody() -> None:
    empty_piece = b"\0\0"
    with opened(rude_server(b"\x01\0", drip=empty_piece)) as client:
        assert [client.receive(0.3) for _ in range(3)] == [None] * 3


def test_bytes_that_make_no_frame_are_silence() -> None:
    start_of_a_long_one = b"\x81\x7e\xff\xff"
    with (
        opened(rude_server(start_of_a_long_one, drip=b"x")) as client,
        pytest.raises(Undelivered, match="fell silent"),
    ):
        assert [client.receive(0.3), client.receive(0.3)] == []


def test_what_is_said_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with opened(server(echo)) as client:
        client.send("a code")
        assert client.receive(60) == "a code"

    assert {record.name for record in caplog.records} <= {"websockets.server"}, (
        "our side says nothing"
    )


def test_over_tls_the_certificate_must_be_vouched_for(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    right, other = certified(tmp_path, "localhost"), certified(tmp_path / "other", "localhost")
    with server(echo, right.context) as port:
        with closing(
            WebSocket.open(f"wss://localhost:{port}", EgressScope(tuple(LOOPBACK), right.ca_pem))
        ) as client:
            client.send("hello")
            assert client.receive(60) == "hello"
        with pytest.raises(Undelivered, match="not to be trusted"):
            WebSocket.open(f"wss://localhost:{port}", EgressScope(tuple(LOOPBACK), other.ca_pem))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ws://192.0.2.1/", "not public"),
        ("ws://8.8.8.8/", "not public"),
        ("wss://127.0.0.1/", "not public"),
        ("https://127.0.0.1/", "cannot be read"),
        ("wss://", "cannot be read"),
        ("wss://a:b/", "cannot be read"),
        ("wss://127.0.0.1/\r\nX: y", "cannot be read"),
    ],
)
def test_it_leads_nowhere_that_is_not_allowed(url: str, why: str) -> None:
    with pytest.raises(Undelivered, match=why):
        WebSocket.open(url, EgressScope())
