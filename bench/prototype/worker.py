"""The bare worker: `python -m bench.prototype.worker FOLDER SLOTS`.

A thread and a connection for each slot.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec

CHUNK_BYTES = 1024 * 1024


class Slot:
    """Polls, runs what comes, one job after the other."""

    def __init__(self, folder: Path, port: int) -> None:
        context = ssl.create_default_context(cafile=folder / "ca.pem")
        context.load_cert_chain(folder / "client.pem")
        self._connection = http.client.HTTPSConnection("127.0.0.1", port, context=context)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def work(self) -> None:
        """Work until killed."""
        job = None
        while True:
            job = self._carry_out(job) if job else self._ask("/poll", None)

    def _ask(self, path: str, message: Any) -> Any:
        self._connection.request("POST", path, msgspec.msgpack.encode(message))
        body = self._connection.getresponse().read()
        return msgspec.msgpack.decode(body) if body else None

    def _carry_out(self, job: dict[str, Any]) -> Any:
        """Run one job, and return the next one, if any waits."""
        if not self._ask(f"/jobs/{job['id']}/start", None):
            return None

        with subprocess.Popen(
            ["/bin/sh", "-c", job["command"]],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            log = self._ship(job["id"], process.stdout.fileno())
        return self._ask(f"/jobs/{job['id']}/finish", log)

    def _ship(self, job_id: int, pipe: int) -> bytes:
        """Send all but the last of the output, and return that."""
        offset, gathered = 0, bytearray()
        while content := os.read(pipe, 65536):
            gathered += content
            if len(gathered) >= CHUNK_BYTES:
                self._ask(f"/jobs/{job_id}/log", [offset, bytes(gathered)])
                offset += len(gathered)
                gathered.clear()
        return bytes(gathered)


def main(folder: Path, slots: int) -> None:
    """Work until killed."""
    port = json.loads((folder / "server.json").read_text())["worker_port"]
    threads = [threading.Thread(target=Slot(folder, port).work) for _ in range(slots)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
