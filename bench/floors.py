"""What the machine itself takes, measured in the same run: the figure that ours stands beside."""

from __future__ import annotations

import multiprocessing
import os
import socket
import sqlite3
import ssl
import statistics
import subprocess
import threading
import time
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

from opsicle.pki.authority import Authority

REQUEST_BYTES, ANSWER_BYTES = 300, 3_000


def median_ms(durations: list[float]) -> float:
    """The median of durations in seconds, in milliseconds."""
    return statistics.median(durations) * 1000


def p95_ms(durations: list[float]) -> float:
    """The 95th percentile of durations in seconds, in milliseconds."""
    return statistics.quantiles(durations, n=20)[-1] * 1000


def bare_date(count: int = 200) -> list[float]:
    """Seconds that `sh -c date` takes, fork to exit."""
    return [
        _timed(lambda: subprocess.run(["/bin/sh", "-c", "date"], stdout=subprocess.DEVNULL, check=True))
        for _ in range(count)
    ]


def forks_per_second(threads: int = 4, count: int = 500) -> float:
    """How many times a second `threads` threads fork, exec `/bin/true` and wait."""

    def work() -> None:
        for _ in range(count // threads):
            subprocess.run(["/bin/true"], check=True)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return count / (time.perf_counter() - began)


def pipe_seconds(command: str) -> tuple[float, int]:
    """Seconds to read all that a shell command prints through a pipe, and how many bytes that is."""
    began = time.perf_counter()
    with subprocess.Popen(["/bin/sh", "-c", command], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        size = 0
        while data := os.read(process.stdout.fileno(), 1 << 16):
            size += len(data)
    return time.perf_counter() - began, size


def sync_ms(folder: Path, count: int = 100) -> float:
    """Median milliseconds to append 4 KiB to a file and make it durable."""
    path = folder / "floor"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    try:
        return median_ms(
            [_timed(lambda: (os.write(descriptor, b"x" * 4096), os.fdatasync(descriptor))) for _ in range(count)]
        )
    finally:
        os.close(descriptor)
        path.unlink()


def commit_ms(folder: Path, count: int = 200) -> float:
    """Median milliseconds of a SQLite transaction that inserts 1 KiB, with a write-ahead log and `synchronous=FULL`."""
    path = folder / "floor.db"
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE floor (content BLOB)")
        return median_ms(
            [_timed(lambda: database.execute("INSERT INTO floor VALUES (?)", (b"x" * 1024,))) for _ in range(count)]
        )
    finally:
        database.close()
        for left in folder.glob("floor.db*"):
            left.unlink()


def tls_round_trip_ms(folder: Path, count: int = 500) -> float:
    """Median milliseconds from a request of 300 bytes to an answer of 3,000 on a kept-alive TLS connection."""
    authority = Authority.create(datetime.now(UTC))
    certificate, key = authority.issue_server(["127.0.0.1"], datetime.now(UTC))
    identity = folder / "floor.pem"
    identity.write_text(certificate + key)
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_answer, args=(identity, theirs))
    server.start()
    context = ssl.create_default_context(cadata=authority.cert_pem)
    with (
        socket.create_connection(("127.0.0.1", ours.recv())) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        durations = [_timed(lambda: _ask(connection)) for _ in range(count)]
    server.join()
    identity.unlink()
    return median_ms(durations)


def _ask(connection: ssl.SSLSocket) -> None:
    connection.sendall(b"?" * REQUEST_BYTES)
    _receive(connection, ANSWER_BYTES)


def _answer(identity: Path, end: Connection) -> None:
    """Answer on one connection until it ends; its port goes to `end`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        end.send(listener.getsockname()[1])
        plain, _ = listener.accept()
        with context.wrap_socket(plain, server_side=True) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while _receive(connection, REQUEST_BYTES):
                connection.sendall(b"!" * ANSWER_BYTES)


def _receive(connection: ssl.SSLSocket, size: int) -> bool:
    """Read so many bytes. False if the other side has gone."""
    while size > 0:
        try:
            received = len(connection.recv(size))
        except (ssl.SSLEOFError, ConnectionError):
            received = 0
        if not received:
            return False
        size -= received
    return True


def _timed(work: object) -> float:
    began = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - began
