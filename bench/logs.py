"""A job that prints as fast as a pipe takes it, until all of its log can be read back.

And what memory that takes.
"""

from __future__ import annotations

import hashlib
import http.client
import ssl
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench import floors, systems
from bench.figures import Figure, peak_mib, reset_peak
from bench.systems import LINE, System
from tests.thin_api import Access, Api

SIZE = 20_000_000
LARGE = 1_000_000_000
ROUNDS = 3
MOST_GROWTH_MIB = 40


def logs(folder: Path) -> list[Figure]:
    """20 MB beside the prototype, then 1 GB for the memory."""
    with (
        systems.product(folder / "product-log", 4) as (_, product),
        systems.prototype(folder / "prototype-log", 4) as prototype,
    ):
        pairs = [
            (_seconds(product, "log-20mb", SIZE), _seconds(prototype, "log-20mb", SIZE))
            for _ in range(ROUNDS)
        ]
        ours, bare = min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)

        pipe = floors.pipe_seconds(systems.log_command(SIZE))[0]
        how = f"1.2 × prototype ({bare:.2f} s); a bare pipe takes {pipe:.2f} s"

        found = [Figure("log of 20 MB, readable", ours, 1.2 * bare, "s", how)]
        found += _growth(product, "20 MB", "log-20mb", SIZE)
        return found + _growth(product, "1 GB", "log-1gb", LARGE)


def _growth(system: System, what: str, name: str, size: int) -> list[Figure]:
    before = {pid: reset_peak(pid) for pid in system.pids}
    seconds = _seconds(system, name, size)
    how = f"peak resident, less before; {seconds:.1f} s"
    return [
        Figure(
            f"{who}'s growth, log of {what}",
            peak_mib(pid) - before[pid],
            MOST_GROWTH_MIB,
            "MiB",
            how,
        )
        for who, pid in zip(("server", "worker"), system.pids, strict=True)
    ]


def _seconds(system: System, name: str, size: int) -> float:
    """Return the seconds from the trigger until the last byte was read back and found right."""
    api = Api(system.access)

    began = time.perf_counter()
    automation_id = api.run(system.templates[name])
    api.wait_final(automation_id)
    digest = _digest(system.access, automation_id)
    seconds = time.perf_counter() - began

    if digest != _expected(size):
        raise RuntimeError("the log that was read back is not the one that was written")
    return seconds


def _digest(access: Access, automation_id: str) -> str:
    """Return the SHA-256 of a log, read piece by piece."""
    parts = urlsplit(access.url)
    context = ssl.create_default_context(cadata=access.ca_pem)
    connection = http.client.HTTPSConnection(
        str(parts.hostname), parts.port, context=context, timeout=600
    )
    connection.request(
        "GET",
        f"/api/v1/automations/{automation_id}/log",
        None,
        {"Authorization": f"Bearer {access.token}"},
    )

    found = hashlib.sha256()
    with connection.getresponse() as response:
        while piece := response.read(1 << 20):
            found.update(piece)

    connection.close()
    return found.hexdigest()


def _expected(size: int) -> str:
    found, block = hashlib.sha256(), LINE * 10_000
    for _ in range(size // len(block)):
        found.update(block)
    return found.hexdigest()
