"""How an answer is cut into what is sent at once."""

from __future__ import annotations

import pytest

from opsicle.server.http.wire.response import LastPart, ResponseWriter


class Sent(list[bytes]):
    """Takes the place of a socket."""

    def sendall(self, data: bytes) -> None:
        self.append(data)


def answer(*parts: bytes) -> Sent:
    sent = Sent()
    writer = ResponseWriter(sent, minor_version=1, keeps_alive=True)
    writer.start("200 OK", [])
    writer.send(parts)
    return sent


@pytest.mark.parametrize(
    ("parts", "bodies"),
    [
        ([b"one", b"two"], [b"3\r\none\r\n", b"3\r\ntwo\r\n", b"0\r\n\r\n"]),
        ([b"one", LastPart(b"two")], [b"3\r\none\r\n", b"3\r\ntwo\r\n0\r\n\r\n"]),
        ([LastPart(b"all")], [b"3\r\nall\r\n0\r\n\r\n"]),
        ([LastPart(b"")], [b"0\r\n\r\n"]),
        ([], [b"0\r\n\r\n"]),
    ],
)
def test_the_last_part_says_itself_that_nothing_comes_behind_it(
    parts: list[bytes], bodies: list[bytes]
) -> None:
    first, *others = answer(*parts)

    head, separator, body = first.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert separator
    assert [body, *others] == bodies
