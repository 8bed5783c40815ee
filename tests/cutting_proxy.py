"""A proxy that passes bytes on, and cuts the connection where a test says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

Rule = Callable[[int], int | None]
"""Of the n-th connection (from 0): after how many bytes of the server's to cut it; None: never."""


class CuttingProxy:
    """Listens on loopback and passes each connection on to `target`.

    A context; ends with all its connections.

    `cut` counts the connections that were cut, `passed` the bytes of the server's that went
    through.
    """

    def __init__(self, target: tuple[str, int], rule: Rule) -> None:
        self._target = target
        self._rule = rule
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.cut = 0
        self.passed = 0
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> CuttingProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for side in self._open:
            _shut(side)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return
            self._open += [client, server]
            limit = self._rule(self.connections)
            self.connections += 1
            threading.Thread(
                target=self._pass_on, args=(client, server, None, False), daemon=True
            ).start()
            threading.Thread(
                target=self._pass_on, args=(server, client, limit, True), daemon=True
            ).start()

    def _pass_on(
        self, source: socket.socket, target: socket.socket, limit: int | None, is_answer: bool
    ) -> None:
        passed = 0
        with suppress(OSError):
            while data := source.recv(16 * 1024):
                if limit is not None and passed + len(data) > limit:
                    target.sendall(data[: limit - passed])
                    self.cut += 1
                    break
                target.sendall(data)
                passed += len(data)
                self.passed += len(data) if is_answer else 0
        _shut(source)
        _shut(target)


def _shut(side: socket.socket) -> None:
    with suppress(OSError):
        side.shutdown(socket.SHUT_RDWR)
    side.close()
