"""Places as network namespaces.

Who can open a connection to whom is decided by links and a firewall.

A place has one address on its loopback device, the same on all its links; two places reach each
other only if a link joins them. A place that is `outward_only` takes no connection from outside,
like a client's network.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from shutil import which

from tests import warm_cli
from tests.product import Place
from tests.support import require

_LINKS = count(1)
_CLONE_NEWNET = 0x40000000
"""From linux/sched.h; Python 3.11 has no `os.setns`."""

_OUTWARD_ONLY = """
table inet outward {
  chain input {
    type filter hook input priority 0; policy drop;
    ct state established,related accept
    iif lo accept
  }
}
"""


def need_namespaces() -> None:
    """Fail in CI, skip on a laptop, where namespaces cannot be made."""
    missing = [] if os.geteuid() == 0 else ["root"]
    missing += [
        f"{tool} (Debian: {package})"
        for tool, package in (("ip", "iproute2"), ("nft", "nftables"))
        if not which(tool)
    ]
    require(not missing, " and ".join(missing) + ", for network namespaces")


class Network:
    """The namespaces of one test."""

    def __init__(self) -> None:
        self._names: list[str] = []

    def place(self, name: str, address: str, *, outward_only: bool = False) -> Place:
        """Return a namespace with this address on its loopback device and no way out yet."""
        namespace = f"opsicle-{os.getpid()}-{name}"
        _run("ip", "netns", "add", namespace)
        self._names.append(namespace)
        place = Place(_prefix(namespace), address)
        _run(*place.prefix, "ip", "link", "set", "lo", "up")
        if address != "127.0.0.1":
            _run(*place.prefix, "ip", "address", "add", f"{address}/32", "dev", "lo")
        if outward_only:
            _run(*place.prefix, "nft", "-f", "-", given=_OUTWARD_ONLY)
        return place

    def link(self, one: Place, other: Place) -> None:
        """Let packets go between two places, and no further."""
        number = next(_LINKS)
        ends = (f"v{number}a", f"v{number}b")
        _run(
            "ip",
            "link",
            "add",
            ends[0],
            "netns",
            one.prefix[-1],
            "type",
            "veth",
            "peer",
            ends[1],
            "netns",
            other.prefix[-1],
        )
        for here, there, end in ((one, other, ends[0]), (other, one, ends[1])):
            _run(*here.prefix, "ip", "link", "set", end, "up")
            _run(
                *here.prefix,
                "ip",
                "route",
                "add",
                f"{there.address}/32",
                "dev",
                end,
                "src",
                here.address,
            )

    def can_connect(self, one: Place, address: str, port: int) -> bool:
        """Return whether a TCP connection from `one` to this address comes about."""
        probe = f"import socket; socket.create_connection(({address!r}, {port}), 1).close()"
        return (
            subprocess.run(
                [*one.prefix, "python3", "-c", probe], capture_output=True, check=False
            ).returncode
            == 0
        )

    def remove(self) -> None:
        for name in self._names:
            warm_cli.close(_prefix(name))
            _run("ip", "netns", "delete", name)


def _prefix(namespace: str) -> tuple[str, ...]:
    return ("ip", "netns", "exec", namespace)


def _run(*command: str, given: str = "") -> None:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"


@contextmanager
def network() -> Iterator[Network]:
    """Namespaces that go when the test ends."""
    need_namespaces()
    made = Network()
    try:
        yield made
    finally:
        made.remove()


@contextmanager
def inside(place: Place) -> Iterator[None]:
    """Open sockets there, in this thread.

    They stay there, and so do threads and processes begun meanwhile.
    """
    with in_network(Path("/run/netns", place.prefix[-1])):
        yield


@contextmanager
def in_network(namespace: Path) -> Iterator[None]:
    """Open sockets in a network namespace, as `inside` does."""
    with Path("/proc/thread-self/ns/net").open() as here, namespace.open() as there:
        _enter(there.fileno())
        try:
            yield
        finally:
            _enter(here.fileno())


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.setns(namespace, _CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
