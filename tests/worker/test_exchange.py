"""A call's request and answer, byte by byte: one plain answer of a known length, or an error."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from opsicle.worker.exchange import MAX_HEAD_BYTES, BadAnswer, PeerClosed, TooLong, exchange


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(10)
        yield ours, theirs


def answered(
    pair: tuple[socket.socket, socket.socket], answer: bytes, *, ends: bool = True
) -> tuple[int, bytes, bool]:
    ours, theirs = pair
    theirs.sendall(answer)
    if ends:
        theirs.shutdown(socket.SHUT_WR)
    return exchange(ours, "server:8443", "/p", b"body", lambda: None, 100)


def test_request_and_answer_are_whole(pair):
    called = []
    ours, theirs = pair

    theirs.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: x\r\ncontent-length:  5 \r\n\r\nhello")

    assert exchange(ours, "server:8443", "/p", b"body", lambda: called.append(1), 100) == (
        200,
        b"hello",
        True,
    )

    head, body = theirs.recv(4096).split(b"\r\n\r\n")
    assert head.split(b"\r\n")[:2] == [b"POST /p HTTP/1.1", b"Host: server:8443"]
    assert b"Content-Length: 4" in head.split(b"\r\n")
    assert (body, called) == (b"body", [1])


@pytest.mark.parametrize(
    ("fields", "is_kept"),
    [(b"", True), (b"Connection: Keep-Alive\r\n", True), (b"Connection: close\r\n", False)],
)
def test_server_says_whether_the_connection_goes_on(pair, fields, is_kept):
    answer = b"HTTP/1.1 503 \r\n" + fields + b"Content-Length: 0\r\n\r\n"
    assert answered(pair, answer) == (503, b"", is_kept)


def test_an_old_server_keeps_no_connection(pair):
    assert answered(pair, b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n") == (200, b"", False)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nX: a\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/2 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"hello\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * MAX_HEAD_BYTES,
    ],
)
def test_anything_but_one_plain_answer_is_an_error(pair, answer):
    with pytest.raises(BadAnswer) as caught:
        answered(pair, answer)
    assert not isinstance(caught.value, PeerClosed)


def test_connection_that_ends_before_any_answer_is_told_apart(pair):
    with pytest.raises(PeerClosed):
        answered(pair, b"")


def test_long_answer_is_not_even_read(pair):
    with pytest.raises(TooLong):
        answered(pair, b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", ends=False)
