"""Connections out lead only where they may, and nobody there can hold us up."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from opsicle.domain.notices import NoticeKind
from opsicle.server.channels.egress import MAX_ANSWER_BYTES, EgressScope, post
from opsicle.server.channels.kinds.webhook import WebhookConfig
from opsicle.server.channels.kinds.webhook.transport import Webhook
from opsicle.server.channels.messages import Message, Undelivered
from tests.api.receivers import LOOPBACK, WebhookReceiver, certified, webhook_receiver

KEY = "0123456789abcdef0123456789abcdef"
REACH = EgressScope(LOOPBACK)

LOOPBACK_SPELLINGS = [
    "127.0.0.1", "localhost", "LOCALHOST", "127.1", "127.0.1", "2130706433", "0x7f.1",
    "0177.0.0.1", "0.0.0.0", "0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
]  # fmt: skip
MAPPED = [
    "[::ffff:169.254.169.254]", "[::ffff:10.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]",
    "[2002:7f00:1::]", "[fe80::1]", "[fd00::1]", "[fec0::1]", "[ff02::1]", "224.0.0.1",
    "255.255.255.255", "192.0.0.1", "198.18.0.1",
]  # fmt: skip


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as receiver:
        yield receiver


def message() -> Message:
    return Message(
        id="d1",
        kind=NoticeKind.CHANNEL_TEST,
        org="acme",
        target="",
        subject="s",
        facts=(),
        url="",
        at=datetime.now(UTC),
    )


def send(url: str, *networks: str) -> None:
    Webhook(WebhookConfig(url=url, allow_networks=networks), KEY).send(message())


@pytest.mark.parametrize("host", LOOPBACK_SPELLINGS)
def test_loopback_is_refused_unless_it_is_allowed(receiver: WebhookReceiver, host: str) -> None:
    with pytest.raises(Undelivered, match="not public"):
        send(f"http://{host}:{receiver.port}/", "203.0.113.0/24")
    with pytest.raises(Undelivered, match="not public"):
        send(f"https://{host}:{receiver.port}/")
    assert receiver.received == []


def test_an_allowed_network_is_reached(receiver: WebhookReceiver) -> None:
    send(receiver.url, "127.0.0.1/32")
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "10.0.0.1", "192.168.0.1", "172.16.0.1", "100.64.0.1", *MAPPED]
)
def test_private_and_link_local_addresses_are_refused_without_a_packet(address: str) -> None:
    with pytest.raises(Undelivered, match="not public"):
        send(f"https://{address}/")


def test_a_name_of_which_one_address_is_not_public_is_refused_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers(monkeypatch, ["93.184.216.34", "127.0.0.1"])
    with pytest.raises(Undelivered, match="not public"):
        send("https://mixed.example.com/")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(receiver: WebhookReceiver, status: int) -> None:
    with webhook_receiver() as other:
        receiver.status, receiver.headers = status, {"Location": other.url}
        with pytest.raises(Undelivered, match="redirect"):
            send(receiver.url, *LOOPBACK)
        assert other.received == []
    assert len(receiver.received) == 1


def test_the_connection_goes_to_the_very_address_that_was_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DNS rebinding: a name leads to an allowed address at first, and then to another one."""
    with (
        webhook_receiver("127.0.0.2") as allowed,
        webhook_receiver("127.0.0.1", allowed.port) as forbidden,
    ):
        answers(monkeypatch, ["127.0.0.2"], ["127.0.0.1"])
        send(f"http://rebind.example.com:{allowed.port}/", "127.0.0.2/32")
        assert [received.headers["Host"] for received in allowed.received] == [
            f"rebind.example.com:{allowed.port}"
        ]
        assert forbidden.received == []


def test_tls_is_checked_against_the_name_and_not_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certified(tmp_path, "hooks.example.com")
    with webhook_receiver(tls=certificate.context) as receiver:
        answers(monkeypatch, ["127.0.0.1"])
        reach = EgressScope(LOOPBACK, certificate.ca_pem)
        assert post(f"https://hooks.example.com:{receiver.port}/", b"{}", {}, reach).status == 200
        with pytest.raises(Undelivered, match="not to be trusted"):
            post(f"https://other.example.com:{receiver.port}/", b"{}", {}, reach)
        with pytest.raises(Undelivered, match="not to be trusted"):
            post(f"https://hooks.example.com:{receiver.port}/", b"{}", {}, REACH)
        assert len(receiver.received) == 1


def test_an_answer_is_read_up_to_a_bound(receiver: WebhookReceiver) -> None:
    def flood(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        try:
            while True:
                handler.wfile.write(b"x" * 65536)
        except OSError:
            handler.close_connection = True

    receiver.answer = flood
    assert len(post(receiver.url, b"{}", {}, REACH).body) == MAX_ANSWER_BYTES


@pytest.mark.parametrize(
    "drip", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b""]
)
def test_a_side_that_drips_is_cut_off(receiver: WebhookReceiver, drip: bytes) -> None:
    def slowly(handler: BaseHTTPRequestHandler) -> None:
        try:
            handler.wfile.write(drip)
            while not handler.connection.settimeout(0.05):
                handler.wfile.write(b"x")
                wait(handler.connection)
        except OSError:
            handler.close_connection = True

    receiver.answer = slowly
    with pytest.raises(Undelivered, match="too long"):  # else it would drip for ever
        post(receiver.url, b"{}", {}, REACH, seconds=0.5)


@pytest.mark.parametrize(
    "answer", [b"nonsense\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500]
)
def test_an_answer_that_is_none_is_a_failure(receiver: WebhookReceiver, answer: bytes) -> None:
    def nonsense(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(answer)
        handler.close_connection = True

    receiver.answer = nonsense
    with pytest.raises(Undelivered, match="broke off"):
        post(receiver.url, b"{}", {}, REACH)


def test_nobody_there_is_a_failure_in_the_systems_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(Undelivered, match="cannot be reached: Connection refused"):
        send(f"http://127.0.0.1:{port}/", *LOOPBACK)


def answers(monkeypatch: pytest.MonkeyPatch, *of_each_call: list[str]) -> None:
    """Let name lookups answer these addresses, the last of them for ever."""
    rest = list(of_each_call)

    def getaddrinfo(_host: str, port: int, **_: Any) -> list[Any]:
        addresses = rest.pop(0) if len(rest) > 1 else rest[0]
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def wait(connection: socket.socket) -> None:
    """Wait a moment, or less if the other side goes away."""
    try:
        if not connection.recv(1):
            raise OSError("gone")
    except TimeoutError:
        pass
