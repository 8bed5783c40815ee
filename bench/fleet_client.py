"""The process of `fleet.py` that simulates workers, each with a certificate and connection.

`python -m bench.fleet_client FACTS URL SEEN`. It counts the workers whose first poll on their nth
connection was answered: when that holds of all, a line `n COUNT` is written to SEEN. Like the real
worker, each asks to be answered at once on a new connection, holds its poll for as long as the
server lets it, and comes back with the same backoff.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gevent
import msgspec
from gevent import socket, ssl

from opsicle.kit.backoff import Backoff
from opsicle.version import __version__
from opsicle.wire.worker_api import POLL_SECONDS, PollRequest
from opsicle.worker.poller import LONGEST_DELAY_SECONDS


class Fleet:
    """All workers."""

    def __init__(self, facts: dict[str, Any], url: str, seen: Path) -> None:
        parts = urlsplit(url)
        self._address = parts.hostname or "", parts.port or 443
        self._facts = facts
        self._seen = seen
        self._connections: Counter[int] = Counter()

    def run(self) -> None:
        """Let every worker poll, for ever."""
        gevent.joinall(
            [gevent.spawn(self._live, number) for number in range(len(self._facts["certificates"]))]
        )

    def _live(self, number: int) -> None:
        context, backoff = self._context(number), Backoff(longest=LONGEST_DELAY_SECONDS)
        connections = 0
        while True:
            with suppress(OSError), socket.create_connection(self._address) as plain:
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with context.wrap_socket(plain, server_hostname=self._address[0]) as connection:
                    connections += 1
                    self._poll(connection, connections, number, backoff)
            gevent.sleep(backoff.next_delay())

    def _poll(self, connection: Any, nth: int, number: int, backoff: Backoff) -> None:
        """Poll until the server goes away."""
        wait_seconds = 0
        with connection.makefile("rb") as reader:
            while True:
                connection.sendall(_request(number, wait_seconds))
                _read_answer(reader)
                if not wait_seconds:
                    self._count(nth)
                    backoff.reset()
                wait_seconds = POLL_SECONDS

    def _count(self, nth: int) -> None:
        self._connections[nth] += 1
        if self._connections[nth] == len(self._facts["certificates"]):
            with self._seen.open("a") as seen:
                seen.write(f"{nth} {self._connections[nth]}\n")

    def _context(self, number: int) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(cadata=self._facts["ca"])
        with tempfile.NamedTemporaryFile() as identity:
            identity.write((self._facts["key"] + self._facts["certificates"][number]).encode())
            identity.flush()
            context.load_cert_chain(identity.name)
        return context


def _request(number: int, wait_seconds: int) -> bytes:
    poll = PollRequest(
        boot_id=f"{os.getpid()}-{number}",
        program_version=__version__,
        labels={"site": f"s{number}"},
        slots=4,
        free_slots=4,
        runtimes=("subprocess",),
        wait_seconds=wait_seconds,
    )
    body = msgspec.msgpack.encode(poll)
    head = f"POST /worker/v1/poll HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Content-Type: application/msgpack\r\n\r\n".encode() + body


def _read_answer(reader: Any) -> None:
    """Read an answer to its end. Raises ConnectionError if it is none, or not a good one."""
    status = reader.readline()
    if b" 200 " not in status:
        raise ConnectionError(status)

    length = 0
    while (header := reader.readline()) not in {b"\r\n", b""}:
        name, _, value = header.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length

    if len(reader.read(length)) < length:
        raise ConnectionError("cut off")


if __name__ == "__main__":
    Fleet(json.loads(Path(sys.argv[1]).read_text()), sys.argv[2], Path(sys.argv[3])).run()
