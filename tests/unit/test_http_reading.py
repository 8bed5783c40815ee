"""Heads and bodies, however the network cuts them up."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsicle.domain.errors import InvalidInput, TooLarge
from opsicle.server.http.wire import head
from opsicle.server.http.wire.incoming import Body, Incoming

REQUEST = (
    b"POST /api/v1/automations?x=%20y HTTP/1.1\r\n"
    b"Host: ops.example.com:8443\r\nContent-Type: application/json\r\n"
    b"Cookie: a=1\r\nX-Thing: one\r\nCOOKIE: b=2\r\nx-thing:two \r\nX_Thing: three\r\n"
)
FIELDS = {
    "HOST": "ops.example.com:8443",
    "CONTENT_TYPE": "application/json",
    "COOKIE": "a=1; b=2",
    "X_THING": "one, two",
}


class Pieces:
    """A connection whose bytes arrive in these pieces; then the peer is gone."""

    def __init__(self, content: bytes, cuts: list[int]) -> None:
        markers = [0, *sorted({cut % (len(content) + 1) for cut in cuts}), len(content)]
        self._pieces = [
            content[start:end] for start, end in itertools.pairwise(markers) if end > start
        ]

    def recv(self, _size: int, /) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    def settimeout(self, _seconds: float | None, /) -> None:
        pass

    def wait_readable(self, _seconds: float, /) -> bool:
        return True


def chunked(content: bytes, sizes: list[int]) -> bytes:
    out = b""
    for size in [*sizes, len(content)]:
        part, content = content[:size], content[size:]
        out += b"%x\r\n%b\r\n" % (len(part), part) if part else b""
    return out + b"0\r\n\r\n"


cuts = st.lists(st.integers(0, 10_000), max_size=12)


@given(cuts)
def test_a_head_reads_the_same_however_it_arrives(where: list[int]) -> None:
    incoming = Incoming(Pieces(REQUEST + b"Content-Length: 2\r\n\r\n{}", where))
    read = incoming.head()

    assert (read.method, read.target, read.length) == ("POST", "/api/v1/automations?x=%20y", 2)
    assert read.fields == {**FIELDS, "CONTENT_LENGTH": "2"}
    assert read.keeps_alive
    body = Body(incoming, read, lambda: None)
    assert body.read(100) == b"{}"
    assert body.is_done


@given(
    st.binary(max_size=5000), st.lists(st.integers(1, 900), max_size=8), cuts, st.integers(1, 700)
)
def test_chunks_read_the_same_however_they_arrive(
    content: bytes, sizes: list[int], where: list[int], step: int
) -> None:
    wire = REQUEST + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(content, sizes) + b"GET /next"
    incoming = Incoming(Pieces(wire, where))
    body = Body(incoming, incoming.head(), lambda: None)
    received = b""
    while part := body.read(step):
        received += part

    assert received == content
    assert body.is_done
    assert incoming.some(100).startswith(b"G"), "the next request begins right behind"


@given(st.binary(min_size=1, max_size=3000), st.integers(0, 2999))
def test_a_body_that_breaks_off_is_refused_and_never_taken_for_whole(
    content: bytes, missing: int
) -> None:
    announced = len(content) + missing % len(content) + 1
    incoming = Incoming(Pieces(REQUEST + b"Content-Length: %d\r\n\r\n" % announced + content, []))
    body = Body(incoming, incoming.head(), lambda: None)

    with pytest.raises(InvalidInput, match="ended in the middle"):
        body.read(announced)
    assert not body.is_done
    assert not body.discard(announced)


@given(st.binary(max_size=3000), cuts)
def test_whatever_is_no_head_is_refused_and_nothing_else_happens(
    content: bytes, where: list[int]
) -> None:
    incoming = Incoming(Pieces(content + b"\r\n\r\n", where))
    try:
        read = incoming.head()
    except (InvalidInput, TooLarge):
        return

    assert read.target.startswith("/")
    assert "HOST" in read.fields or read.minor_version == 0


def test_what_a_peer_says_again_is_read_the_same() -> None:
    heads = [
        b"GET /a HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n",
        b"GET /b HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n",
        b"GET /c HTTP/1.0\r\nHost: a\r\nX: 1\r\n\r\n",
        b"GET /d HTTP/1.1\r\nHost: a\r\nX: 1\r\nConnection: close\r\n\r\n",
        *(b"GET /e HTTP/1.1\r\nHost: a\r\nX: %d\r\n\r\n" % number for number in range(20)),
        b"GET /b HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n",
    ]
    incoming = Incoming(Pieces(b"".join(heads), [7, 50, 111]))

    for raw in heads:
        assert incoming.head() == head.parse(raw.removesuffix(head.END))


def test_what_is_refused_is_refused_again() -> None:
    parser = head.HeadParser()
    for _ in range(2):
        for below in (b"Host: a\r\nHost: a", b"Host : a", b"Host: a\nX: 1", b""):
            with pytest.raises(InvalidInput):
                parser.parse(b"GET / HTTP/1.1\r\n" + below)


@given(st.integers(0, 30_000))
def test_a_head_is_refused_from_its_first_byte_too_many(size: int) -> None:
    padding = b"X: " + b"y" * size
    raw = b"GET / HTTP/1.1\r\nHost: a\r\n" + padding
    incoming = Incoming(Pieces(raw + b"\r\n\r\n", []))
    if len(raw) > head.MAX_HEAD_BYTES:
        with pytest.raises(TooLarge):
            incoming.head()
    else:
        assert incoming.head().fields["X"] == "y" * size


def test_a_peer_that_waits_for_permission_gets_it_once_and_only_if_the_body_is_wanted() -> None:
    wire = REQUEST + b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\nabcd"
    incoming = Incoming(Pieces(wire, []))
    granted: list[bool] = []
    body = Body(incoming, incoming.head(), lambda: granted.append(True))

    assert not body.discard(100)
    assert granted == []
    assert body.read(2) + body.read(10) == b"abcd"
    assert granted == [True]


@pytest.mark.parametrize(
    ("connection", "minor_version", "stays"),
    [
        ("", 1, True),
        ("close", 1, False),
        ("Upgrade, Close", 1, False),
        ("", 0, False),
        ("Keep-Alive", 0, True),
    ],
)
def test_a_connection_stays_as_the_client_wishes(
    connection: str, minor_version: int, stays: bool
) -> None:
    raw = f"GET / HTTP/1.{minor_version}\r\nHost: a\r\nConnection: {connection}"
    assert head.parse(raw.encode()).keeps_alive is stays
