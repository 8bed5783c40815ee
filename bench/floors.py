"""What the machine itself takes, measured in the same run: the figure that ours stands beside."""

from __future__ import annotations

import multiprocessing
import os
import socket
import sqlite3
import ssl
import statistics
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from opsicle.security.authority import Authority
from opsicle.security.certificates import private_key_pem

REQUEST_BYTES, ANSWER_BYTES = 300, 3_000


def median_ms(durations: list[float]) -> float:
    """Return the median of durations in seconds, in milliseconds."""
    return statistics.median(durations) * 1000


def p99_ms(durations: list[float]) -> float:
    """Return the 99th percentile of durations in seconds, in milliseconds."""
    return statistics.quantiles(durations, n=100)[-1] * 1000


def forks(count: int = 200) -> list[float]:
    """Return the seconds that `sh -c true` takes, from fork to exit, each time."""
    return [_timed(_fork) for _ in range(count)]


def _fork() -> None:
    subprocess.run(["/bin/sh", "-c", "true"], check=True)


def pipe_seconds(command: str) -> tuple[float, int]:
    """Return the seconds to read through a pipe all that a shell command prints, and its bytes."""
    began = time.perf_counter()
    with subprocess.Popen(["/bin/sh", "-c", command], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        size = 0
        while data := os.read(process.stdout.fileno(), 1 << 16):
            size += len(data)
    return time.perf_counter() - began, size


def commit_ms(folder: Path, count: int = 200) -> float:
    """Return the median milliseconds of a SQLite transaction that inserts 1 KiB.

    With a write-ahead log and `synchronous=FULL`.
    """
    path = folder / "floor.db"
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE floor (content BLOB)")

        return median_ms(
            [
                _timed(lambda: database.execute("INSERT INTO floor VALUES (?)", (b"x" * 1024,)))
                for _ in range(count)
            ]
        )
    finally:
        database.close()
        for left in folder.glob("floor.db*"):
            left.unlink()


def tls_round_trip_ms(folder: Path, count: int = 500) -> float:
    """Return the median milliseconds from a request of 300 bytes to an answer of 3,000.

    On a kept-alive connection with mutual TLS.
    """
    now = datetime.now(UTC)
    authority = Authority.create(now)
    certificate, key = authority.issue_server(["127.0.0.1"], now)
    identity, client, ca = (
        folder / name for name in ("floor.pem", "floor-client.pem", "floor-ca.pem")
    )
    identity.write_text(certificate + key)
    client.write_text(client_identity(authority, now))
    ca.write_text(authority.cert_pem)

    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(
        target=_answer, args=(identity, ca, theirs)
    )
    server.start()

    context = ssl.create_default_context(cadata=authority.cert_pem)
    context.load_cert_chain(client)
    with (
        socket.create_connection(("127.0.0.1", ours.recv())) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        durations = [_timed(lambda: _ask(connection)) for _ in range(count)]

    server.join()
    for path in (identity, client, ca):
        path.unlink()
    return median_ms(durations)


def client_identity(authority: Authority, now: datetime) -> str:
    """Return a client's certificate and key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    return authority.issue_worker(key.public_key(), "bare", "prototype", now).pem + private_key_pem(
        key
    )


def _ask(connection: ssl.SSLSocket) -> None:
    connection.sendall(b"?" * REQUEST_BYTES)
    _receive(connection, ANSWER_BYTES)


def _answer(identity: Path, ca: Path, end: Connection) -> None:
    """Answer on one connection until it ends; its port goes to `end`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity)
    context.load_verify_locations(ca)
    context.verify_mode = ssl.CERT_REQUIRED

    with socket.create_server(("127.0.0.1", 0)) as listener:
        end.send(listener.getsockname()[1])
        plain, _ = listener.accept()
        with context.wrap_socket(plain, server_side=True) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while _receive(connection, REQUEST_BYTES):
                connection.sendall(b"!" * ANSWER_BYTES)


def _receive(connection: ssl.SSLSocket, size: int) -> bool:
    """Read so many bytes. Return False if the other side has gone."""
    while size > 0:
        try:
            received = len(connection.recv(size))
        except (ssl.SSLEOFError, ConnectionError):
            received = 0
        if not received:
            return False
        size -= received
    return True


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
