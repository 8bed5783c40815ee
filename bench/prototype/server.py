"""The bare server: `python -m gevent.monkey --module bench.prototype.server FOLDER`.

It writes `FOLDER/server.json` once it serves. Patched, since bottle keeps its request in a thread's
local storage.
"""

from __future__ import annotations

import json
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
import bottle
import gevent
import msgspec
from gevent import ssl
from gevent.event import AsyncResult, Event
from gevent.pywsgi import WSGIServer
from gevent.threadpool import ThreadPool

from bench.floors import client_identity
from opsicle.security.authority import Authority

HOLD_SECONDS = 30.0
SCHEMA = """
CREATE TABLE jobs (
    id      INTEGER PRIMARY KEY,
    command TEXT NOT NULL,
    state   TEXT NOT NULL,
    log     BLOB NOT NULL DEFAULT x''
);
CREATE INDEX jobs_by_state ON jobs (state, id);
CREATE TABLE output (job_id INTEGER NOT NULL, offset INTEGER NOT NULL, content BLOB NOT NULL,
                     PRIMARY KEY (job_id, offset)) WITHOUT ROWID;
"""
"""One table, and a second one for what of a log does not fit into the last message."""

Unit = Callable[[apsw.Connection], Any]


class Store:
    """One connection. Changes that gather while a commit is under way share the next one."""

    def __init__(self, path: Path) -> None:
        self.db = apsw.Connection(str(path))
        self.db.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
        self.db.execute(SCHEMA)
        self._waiting: list[tuple[Unit, AsyncResult[Any]]] = []
        self._committer = ThreadPool(1)
        self._is_committing = False

    def write(self, unit: Unit) -> Any:
        """Run a change, and return its result once it is durable."""
        result: AsyncResult[Any] = AsyncResult()
        self._waiting.append((unit, result))
        if not self._is_committing:
            self._is_committing = True
            gevent.spawn(self._commit)
        return result.get()

    def _commit(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            self.db.execute("BEGIN IMMEDIATE")
            values = [unit(self.db) for unit, _ in batch]
            self._committer.apply(self.db.execute, ("COMMIT",))
            for (_, result), value in zip(batch, values, strict=True):
                result.set(value)
        self._is_committing = False


class Server:
    """What both listeners offer."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._polls: deque[AsyncResult[Any]] = deque()
        self._changed: dict[int, Event] = {}

    def for_users(self) -> bottle.Bottle:
        """Return what triggers, lists, follows and reads logs, by the product's paths and JSON."""
        app = bottle.Bottle()
        app.post(
            "/api/v1/automations", callback=lambda: self._trigger(bottle.request.json["template"])
        )
        app.get("/api/v1/automations", callback=self._list)
        app.get("/api/v1/automations/<job:int>/events", callback=self._follow)
        app.get("/api/v1/automations/<job:int>/log", callback=self._log)
        app.get("/api/v1/whoami", callback=dict)
        return app

    def for_workers(self) -> bottle.Bottle:
        """Return what polls, starts, keeps logs and finishes."""
        app = bottle.Bottle()
        app.post("/poll", callback=lambda: msgspec.msgpack.encode(self._poll()))
        app.post("/jobs/<job:int>/start", callback=self._start)
        app.post("/jobs/<job:int>/log", callback=self._keep)
        app.post("/jobs/<job:int>/finish", callback=self._finish)
        return app

    def _trigger(self, command: str) -> dict[str, Any]:
        """Lease it to a waiting poll, if there is one, in the very transaction that makes it."""
        poll = self._polls.popleft() if self._polls else None
        state = "leased" if poll else "queued"
        job = self._store.write(
            lambda db: (
                db.execute(
                    "INSERT INTO jobs (command, state) VALUES (?, ?) RETURNING id", (command, state)
                ).get
            )
        )
        self._changed[job] = Event()

        if poll:
            poll.set({"id": job, "command": command})
        return {"id": job, "state": state}

    def _poll(self) -> Any:
        job = self._store.write(_lease_next)
        if job:
            return job

        waiting: AsyncResult[Any] = AsyncResult()
        self._polls.append(waiting)
        try:
            return waiting.get(timeout=HOLD_SECONDS)
        except gevent.Timeout:
            self._polls.remove(waiting)
            return None

    def _start(self, job: int) -> bytes:
        return msgspec.msgpack.encode(
            self._store.write(lambda db: _moved(db, job, "leased", "running"))
        )

    def _keep(self, job: int) -> bytes:
        offset, content = msgspec.msgpack.decode(bottle.request.body.read())
        self._store.write(
            lambda db: db.execute("INSERT INTO output VALUES (?, ?, ?)", (job, offset, content)).get
        )
        return b""

    def _finish(self, job: int) -> bytes:
        log = msgspec.msgpack.decode(bottle.request.body.read())
        reply = self._store.write(lambda db: _finish(db, job, log))
        if changed := self._changed.pop(job, None):
            changed.set()
        return msgspec.msgpack.encode(reply)

    def _follow(self, job: int) -> bytes:
        if changed := self._changed.get(job):
            changed.wait()
        return b"event: end\ndata: {}\n\n"

    def _log(self, job: int) -> Iterator[bytes]:
        rows = self._store.db.execute(
            "SELECT content FROM output WHERE job_id = ? ORDER BY offset", (job,)
        )
        last: bytes = self._store.db.execute("SELECT log FROM jobs WHERE id = ?", (job,)).get
        yield from (content for (content,) in rows)
        yield last

    def _list(self) -> dict[str, Any]:
        query = bottle.request.query
        states = ("queued", "leased") if query["state"] == "queued" else (query["state"], "")
        bindings = (*states, int(query["limit"]))
        found = self._store.db.execute(
            "SELECT id FROM jobs WHERE state IN (?, ?) LIMIT ?", bindings
        )
        return {"items": [{"id": id_} for (id_,) in found]}


def _lease_next(db: apsw.Connection) -> Any:
    row = db.execute(
        "SELECT id, command FROM jobs WHERE state = 'queued' ORDER BY id LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    _moved(db, row[0], "queued", "leased")
    return {"id": row[0], "command": row[1]}


def _moved(db: apsw.Connection, job: int, old: str, new: str) -> bool:
    db.execute("UPDATE jobs SET state = ? WHERE id = ? AND state = ?", (new, job, old))
    return db.changes() == 1


def _finish(db: apsw.Connection, job: int, log: bytes) -> Any:
    db.execute(
        "UPDATE jobs SET state = 'succeeded', log = ? WHERE id = ? AND state = 'running'",
        (log, job),
    )
    return _lease_next(db)


def _listener(app: bottle.Bottle, identity: Path, authority: Path | None) -> WSGIServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity)
    if authority:
        context.load_verify_locations(authority)
        context.verify_mode = ssl.CERT_REQUIRED

    listener = WSGIServer(("127.0.0.1", 0), app, log=None, ssl_context=context)
    listener.init_socket()
    # What it accepts inherits this.
    listener.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.start()
    return listener


def main(folder: Path) -> None:
    """Make keys, serve, and say where."""
    now = datetime.now(UTC)
    authority = Authority.create(now)
    certificate, key = authority.issue_server(["127.0.0.1"], now)
    ca, identity = folder / "ca.pem", folder / "identity.pem"
    ca.write_text(authority.cert_pem)
    identity.write_text(certificate + key)

    server = Server(Store(folder / "prototype.db"))
    users = _listener(server.for_users(), identity, None)
    workers = _listener(server.for_workers(), identity, ca)

    facts = {"url": f"https://127.0.0.1:{users.server_port}", "worker_port": workers.server_port}
    (folder / "client.pem").write_text(client_identity(authority, now))
    (folder / "server.json.new").write_text(json.dumps(facts))
    (folder / "server.json.new").rename(folder / "server.json")
    Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
