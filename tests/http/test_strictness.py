"""Requests that can be read in two ways are refused, on both listeners."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from opsicle.security import certificates, join_token
from opsicle.server.http.wire.incoming import HEAD_SECONDS
from opsicle.wire.worker_api import EnrolReply
from tests.http.client import Client, read_all, trusting
from tests.product import Server
from tests.support import wait_until

HOST = b"Host: localhost\r\n"
POST = b"POST /api/v1/login HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"

MALFORMED = {
    "two equal lengths": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "two different lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "a list of lengths": POST + b"Content-Length: 2, 2\r\n\r\n{}",
    "a signed length": POST + b"Content-Length: +2\r\n\r\n{}",
    "a negative length": POST + b"Content-Length: -2\r\n\r\n{}",
    "a length with a space in it": POST + b"Content-Length: 1 2\r\n\r\n{}",
    "a length in hexadecimal": POST + b"Content-Length: 0x2\r\n\r\n{}",
    "an empty length": POST + b"Content-Length:\r\n\r\n{}",
    "a length in other digits": POST + "Content-Length: ٢\r\n\r\n{}".encode(),
    "length and coding": POST
    + b"Content-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "coding and length": POST
    + b"Transfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "two codings": POST
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a coding within a coding": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "an unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a coding in HTTP/1.0": b"POST / HTTP/1.0\r\n"
    + HOST
    + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare LF": b"GET /healthz HTTP/1.1\n" + b"Host: localhost\n\n",
    "bare LF in between": b"GET /healthz HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n",
    "bare CR": b"GET /healthz HTTP/1.1\r\nHost: localhost\rX: y\r\n\r\n",
    "a folded field": b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: y\r\n z\r\n\r\n",
    "a space before the colon": POST + b"Content-Length : 2\r\n\r\n{}",
    "a space before the first field": b"GET /healthz HTTP/1.1\r\n " + HOST + b"\r\n",
    "a field without a colon": b"GET /healthz HTTP/1.1\r\n" + HOST + b"nonsense\r\n\r\n",
    "a field without a name": b"GET /healthz HTTP/1.1\r\n" + HOST + b": x\r\n\r\n",
    "a NUL in a field": b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n",
    "no Host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET /healthz HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    "an empty Host": b"GET /healthz HTTP/1.1\r\nHost:\r\n\r\n",
    "a Host with a path": b"GET /healthz HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "two Authorizations": b"GET /healthz HTTP/1.1\r\n"
    + HOST
    + b"Authorization: a\r\nAuthorization: b\r\n\r\n",
    "two Origins": b"GET /healthz HTTP/1.1\r\n" + HOST + b"Origin: a\r\nOrigin: b\r\n\r\n",
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/1.2": b"GET /healthz HTTP/1.2\r\n" + HOST + b"\r\n",
    "two spaces": b"GET  /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "a tab": b"GET\t/healthz\tHTTP/1.1\r\n" + HOST + b"\r\n",
    "an absolute target": b"GET http://localhost/healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "a control character in the target": b"GET /health\x7fz HTTP/1.1\r\n" + HOST + b"\r\n",
    "a lower-case method": b"get /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "an empty line first": b"\r\nGET /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "an unknown expectation": POST + b"Expect: miracles\r\nContent-Length: 2\r\n\r\n{}",
    "more than a hundred fields": b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 101 + b"\r\n",
    "TLS in TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n",
}
"""Each with the name of what is wrong with it."""

BAD_CHUNKS = [
    b"-1\r\n\r\n",
    b"+2\r\n{}\r\n0\r\n\r\n",
    b"0x2\r\n{}\r\n0\r\n\r\n",
    b"2 \r\n{}\r\n0\r\n\r\n",
    b"2\n{}\r\n0\r\n\r\n",
    b"2\r\n{}0\r\n\r\n",
    b"2\r\n{}\n0\r\n\r\n",
    b"3\r\n{}\r\n0\r\n\r\n",
    b"2;name=value\r\n{}\r\n0\r\n\r\n",
    b"\r\n{}\r\n0\r\n\r\n",
    b"zz\r\n{}\r\n0\r\n\r\n",
    b"FFFFFFFFFFFFFFFFF\r\n",
    b"2\r\n{}\r\n0\r\nTrailer: x\r\n\r\n",
]


@pytest.fixture(scope="session")
def worker_client(
    server: Server, alice: Client, tmp_path_factory: pytest.TempPathFactory
) -> Client:
    """Return what a client needs to get past the handshake of the workers' listener."""
    return enrol(server, alice, tmp_path_factory.mktemp("worker"))


def enrol(server: Server, admin: Client, folder: Path) -> Client:
    token = join_token.parse(admin.post("/api/v1/workers/tokens", {}).json["token"])
    key, csr = certificates.make_key_and_csr()

    request = join_token.make_request(token, name="raw", csr_pem=csr, labels={}, slots=1)
    body = {field: getattr(request, field) for field in request.__struct_fields__}

    answer = admin.post("/api/v1/enrol", body)
    assert answer.status == 200, answer

    enrolment = join_token.open_reply(token, request, EnrolReply(**answer.json))
    (folder / "worker.pem").write_text(key + enrolment.certificate_pem)

    context = trusting(server.folder / "data/ca.pem")
    context.load_cert_chain(folder / "worker.pem")
    return Client(server.facts["worker_url"], context)


def is_refused(answer: bytes) -> bool:
    """Return whether there was one answer, a 400, and then the end."""
    return (
        answer.startswith(b"HTTP/1.1 400 ")
        and answer.count(b"HTTP/1.1 ") == 1
        and b"Connection: close" in answer
    )


@pytest.mark.parametrize("name", MALFORMED)
def test_a_request_that_is_not_plain_is_refused_and_the_connection_closed(
    anonymous: Client, name: str
) -> None:
    assert is_refused(
        anonymous.raw(MALFORMED[name] + b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
    )


def test_the_workers_listener_is_as_strict(worker_client: Client) -> None:
    for name, request in MALFORMED.items():
        assert is_refused(worker_client.raw(request)), name


@pytest.mark.parametrize("chunks", BAD_CHUNKS)
def test_a_malformed_chunk_is_refused_and_the_connection_closed(
    anonymous: Client, chunks: bytes
) -> None:
    answer = anonymous.raw(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_the_problem_says_what_was_wrong(anonymous: Client) -> None:
    assert b"a field of the request's head is malformed" in anonymous.raw(
        MALFORMED["a folded field"]
    )


def test_chunks_are_put_together(anonymous: Client) -> None:
    chunks = b'5\r\n{"ema\r\n00000A\r\nil":"a@b",\r\n11\r\n"password":"pass"\r\n1\r\n}\r\n0\r\n\r\n'
    answer = anonymous.raw(
        POST + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunks
    )

    assert answer.startswith(b"HTTP/1.1 401 "), answer


def test_a_head_that_is_too_long_is_refused(anonymous: Client) -> None:
    for padding in (b"X: " + b"y" * 20_000 + b"\r\n", b"X: " + b"y" * 100_000):
        assert anonymous.raw(b"GET / HTTP/1.1\r\n" + HOST + padding).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_is_announced_too_long_is_refused_unread(anonymous: Client) -> None:
    answer = anonymous.raw(POST + b"Content-Length: 99999999999\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_body_in_chunks_without_end_is_refused(anonymous: Client) -> None:
    chunk = b"1000\r\n" + b" " * 0x1000 + b"\r\n"
    answer = anonymous.raw(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 5)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_two_requests_in_one_packet_get_two_answers(anonymous: Client) -> None:
    request = b"GET /healthz HTTP/1.1\r\n" + HOST
    answer = anonymous.raw(request + b"\r\n" + request + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 2


def test_the_second_request_waits_for_the_whole_body_of_the_first(anonymous: Client) -> None:
    inner = b"GET /readyz HTTP/1.1\r\n" + HOST + b"\r\n"
    outer = b"POST /healthz HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(inner)
    answer = anonymous.raw(
        outer + inner + b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    )

    assert answer.count(b"HTTP/1.1 ") == 2
    assert answer.startswith(b"HTTP/1.1 405 ")


def test_http_1_0_is_served_as_proxies_speak_it(anonymous: Client) -> None:
    answer = anonymous.raw(b"GET /healthz HTTP/1.0\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"Connection: close" in answer
    assert b"Transfer-Encoding" not in answer


def test_a_client_that_waits_for_permission_to_send_its_body_gets_it(anonymous: Client) -> None:
    body = b'{"email": "a@b", "password": "x"}'
    with anonymous.socket() as sock:
        sock.sendall(
            POST
            + b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert read_all(sock).startswith(b"HTTP/1.1 401 ")


def test_a_client_that_asks_to_send_too_much_is_told_before_it_does(anonymous: Client) -> None:
    answer = anonymous.raw(POST + b"Expect: 100-continue\r\nContent-Length: 9999999\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_field_with_an_underscore_cannot_pose_as_another(anonymous: Client) -> None:
    answer = anonymous.raw(
        b"POST /api/v1/login HTTP/1.1\r\n"
        + HOST
        + b"Content_Length: 2\r\nConnection: close\r\n\r\n"
    )

    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert b"of a kind that we do not take" in answer


def test_slow_clients_are_cut_off_and_keep_nobody_waiting(
    anonymous: Client, worker_client: Client, alice: Client
) -> None:
    crowd = [
        slow_client(client, kind)
        for kind in ("silent", "head", "handshake", "body")
        for client in [anonymous] * 100 + [worker_client] * 25
    ]
    connection = alice.connect()
    ends_at = time.monotonic() + HEAD_SECONDS + 1
    waits: list[float] = []

    def asked_to_the_end() -> bool:
        asked_at = time.monotonic()
        connection.request("GET", "/api/v1/whoami", headers=alice.headers)
        assert connection.getresponse().read()
        waits.append(time.monotonic() - asked_at)
        return time.monotonic() >= ends_at

    wait_until(asked_to_the_end, longest_pause=0.02)
    connection.close()

    assert len(waits) > 50
    assert sorted(waits)[len(waits) * 95 // 100] < 0.5, "the slow clients keep others waiting"
    for sock in crowd[125:375]:  # those that never finish their head or their handshake
        assert read_all(sock) == b""
    for sock in crowd:
        sock.close()


def slow_client(client: Client, kind: str) -> socket.socket:
    """Begin a request or a handshake, and never end it."""
    if kind == "handshake":
        sock: socket.socket = replace(client, context=None).socket()
        sock.sendall(b"\x16\x03\x01\x02\x00")
        return sock
    sock = client.socket()
    sock.sendall(
        {
            "silent": b"",
            "head": b"GET / HTTP/1.1\r\n",
            "body": POST + b"Content-Length: 9\r\n\r\n{",
        }[kind]
    )
    return sock
