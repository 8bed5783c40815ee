"""The head of an HTTP/1.1 request, parsed strictly.

Two programs that read one message differently can be played against each other (request smuggling),
so everything that RFC 9112 lets a server refuse is refused: bare LF and CR, folded lines, a space
before the colon, more than one length, a length beside a transfer coding, and all that is not
plain.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from opsicle.domain.errors import InvalidInput

MAX_HEAD_BYTES = 16 * 1024
MAX_FIELDS = 100
END = b"\r\n\r\n"

_MOST_KNOWN, _LONGEST_KNOWN = 4, 1024
"""What a connection remembers of heads, and bytes of each: thousands of connections together must
stay small."""

_REQUEST_LINE = re.compile(rb"([A-Z]{1,20}) (/[!-~]*) HTTP/1\.([01])")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t -~\x80-\xff]*)")
_HOST = re.compile(r"[A-Za-z0-9._~%!$&'()*+,;=-]+(:[0-9]{0,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{0,5})?")
_LENGTH = re.compile(r"[0-9]{1,15}")

_ONLY_ONCE = frozenset(
    {
        *(
            "AUTHORIZATION",
            "CONTENT_LENGTH",
            "CONTENT_TYPE",
            "EXPECT",
            "HOST",
            "IDEMPOTENCY_KEY",
            "LAST_EVENT_ID",
        ),
        *("OPSICLE_CSRF", "ORIGIN", "TRANSFER_ENCODING", "X_FORWARDED_PROTO"),
    }
)
"""Fields that two readers could pick a different one of."""


class HeadFields(NamedTuple):
    """What stands below a request line.

    `by_name` is by upper-case name with underscores, `environ` as WSGI has it.

    `length` is the body's in bytes, None when it comes in chunks; a request without a body has 0.
    """

    by_name: Mapping[str, str]
    environ: dict[str, str]
    length: int | None
    keeps_alive: bool
    expects_continue: bool


class Head(NamedTuple):
    """A request's head.

    `expects_continue`: the peer waits for `100 Continue` before it sends the body.
    """

    method: str
    target: str
    minor_version: int
    fields: Mapping[str, str]
    environ: dict[str, str]
    length: int | None
    keeps_alive: bool
    expects_continue: bool


def check_so_far(head: bytes) -> None:
    """Raise InvalidInput if this beginning of a head is wrong already.

    Waiting for the rest would be in vain.
    """
    if head.count(b"\n") != head.count(b"\r\n"):
        raise InvalidInput("a line of the request's head does not end in CRLF")


class HeadParser:
    """Parses the heads that come on one connection.

    A peer mostly says the same fields again: those are read once.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, bytes], HeadFields] = {}

    def parse(self, head: bytes) -> Head:
        """Read the head in these bytes, which end before the empty line.

        Raises InvalidInput for all that is not plain.
        """
        line, _, below = head.partition(b"\r\n")
        start = _REQUEST_LINE.fullmatch(line)
        if start is None:
            raise InvalidInput("the request line is malformed")
        fields = self._known.get((start[3], below)) or self._parse_fields(start[3], below)
        return Head(start[1].decode(), start[2].decode(), int(start[3]), *fields)

    def _parse_fields(self, version: bytes, below: bytes) -> HeadFields:
        check_so_far(below)
        fields = _head_fields(below, int(version))
        if len(below) <= _LONGEST_KNOWN:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[version, below] = fields
        return fields


def parse(head: bytes) -> Head:
    """Read one head by itself. Raises as `HeadParser.parse`."""
    return HeadParser().parse(head)


def _head_fields(below: bytes, minor_version: int) -> HeadFields:
    fields = _fields(below.split(b"\r\n") if below else [])
    _check_host(fields, minor_version)
    if fields.get("EXPECT", "100-continue").lower() != "100-continue":
        raise InvalidInput("the expectation in the request's head is not known")

    length = _length(fields, minor_version)
    environ = {f"HTTP_{name}": value for name, value in fields.items()}
    environ["CONTENT_TYPE"] = fields.get("CONTENT_TYPE", "")
    environ["CONTENT_LENGTH"] = "" if length is None else str(length)

    return HeadFields(
        by_name=fields,
        environ=environ,
        length=length,
        keeps_alive=_keeps_alive(fields.get("CONNECTION", ""), minor_version),
        expects_continue=minor_version == 1 and "EXPECT" in fields,
    )


def _fields(lines: list[bytes]) -> dict[str, str]:
    if len(lines) > MAX_FIELDS:
        raise InvalidInput("the request's head has too many fields")
    fields: dict[str, str] = {}
    for line in lines:
        match = _FIELD.fullmatch(line)
        if match is None:
            raise InvalidInput("a field of the request's head is malformed")
        name = match[1].decode()
        if "_" in name:
            continue  # WSGI could not tell it from the same name with a dash
        _add(fields, name.upper().replace("-", "_"), match[2].decode("latin-1").rstrip(" \t"))
    return fields


def _add(fields: dict[str, str], name: str, value: str) -> None:
    if name not in fields:
        fields[name] = value
    elif name in _ONLY_ONCE:
        raise InvalidInput("a field stands in the request's head more than once that must not")
    else:
        fields[name] += ("; " if name == "COOKIE" else ", ") + value


def _check_host(fields: dict[str, str], minor_version: int) -> None:
    host = fields.get("HOST")
    if host is None and minor_version == 0:
        return
    if not host or not _HOST.fullmatch(host):
        raise InvalidInput("the Host in the request's head is missing or malformed")


def _length(fields: dict[str, str], minor_version: int) -> int | None:
    length, coding = fields.get("CONTENT_LENGTH"), fields.get("TRANSFER_ENCODING")
    if coding is None:
        if length is not None and not _LENGTH.fullmatch(length):
            raise InvalidInput("the Content-Length is malformed")
        return int(length or 0)
    if length is not None:
        raise InvalidInput("the request's head has both a Content-Length and a Transfer-Encoding")
    if coding.lower() != "chunked" or minor_version == 0:
        raise InvalidInput("the Transfer-Encoding is not one that we take")
    return None


def _keeps_alive(connection: str, minor_version: int) -> bool:
    words = {word.strip().lower() for word in connection.split(",")}
    return "close" not in words and (minor_version == 1 or "keep-alive" in words)
