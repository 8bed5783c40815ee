"""Telling a service manager how far we are (sd_notify(3)), without its library.

Nothing where there is none.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress

READY, STOPPING = "READY=1", "STOPPING=1"


def notify(state: str) -> None:
    """Send a state to whoever NOTIFY_SOCKET names. One that does not listen is its own affair."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return
    address = f"\0{path[1:]}" if path.startswith("@") else path
    with (
        suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock,
    ):
        sock.sendto(state.encode(), address)


def notify_reloading() -> None:
    """Say that settings are being read anew; `READY` must follow."""
    notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
