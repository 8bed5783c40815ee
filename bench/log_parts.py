"""Parts of a log of 1 GB, a search through it, and what its removal does to those who write."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bench import floors, systems
from bench.figures import Figure
from bench.systems import System
from tests.support import wait_until
from tests.thin_api import Api

TEXT = "was answered as it should be, after all the time that it takes"
LINES = 12_000_000
LINE_BYTES = len(f"request {1:010} {TEXT}\n")
SIZE = LINES * LINE_BYTES
MOST_PART_MS = 100.0
LEAST_SEARCHED_MB = 100.0
MOST_WRITE_MS = 50.0
ROUNDS = 20
BASE_SECONDS = 10.0


def log_parts(folder: Path) -> list[Figure]:
    """Read, search and remove a log of 1 GB."""
    with systems.product(folder, 4) as (installation, product), Api(product.access) as api:
        command = f"seq -f 'request %010.0f {TEXT}' {LINES}"
        installation.push(systems.template("numbered", command))
        automation_id = api.run("numbered")
        api.wait_final(automation_id)
        log = f"/api/v1/automations/{automation_id}/log"

        found = [
            _part("last 200 lines of 1 GB", api, f"{log}?tail=200", LINES - 199),
            _part("200 lines amid 1 GB", api, f"{log}?from_line=150007&lines=200", 150_007),
            _searched(folder, api, log),
        ]
        database = installation.server.folder / "data/logs.db"
        return found + _removal(product, api, database)


def _part(name: str, api: Api, path: str, first: int) -> Figure:
    if api.request("GET", path) != _lines(first, 200):
        raise RuntimeError(f"{path} is not what was printed")
    times = [_timed(lambda: api.request("GET", path)) for _ in range(ROUNDS)]
    return Figure(name, floors.median_ms(times), MOST_PART_MS, "ms", "median, over HTTP")


def _searched(folder: Path, api: Api, log: str) -> Figure:
    """Measure a search for what is not there, beside `grep` on the bytes as they were printed."""
    plain = folder / "plain"
    with plain.open("wb") as file:
        for first in range(1, LINES, 10_000):
            file.write(_lines(first, 10_000))
    grep = _timed(lambda: subprocess.run(["grep", "-cF", "needle", str(plain)], check=False))
    plain.unlink()

    took = _timed(lambda: _search(api, log))
    how = f"a search for a text; grep on the unpacked bytes {SIZE / 1e6 / grep:.0f} MB/s"
    return Figure("search", SIZE / 1e6 / took, LEAST_SEARCHED_MB, "MB/s", how, is_floor=True)


def _search(api: Api, log: str) -> None:
    cursor, size = "", 0
    while True:
        page = api.json("GET", f"{log}/search?text=needle&cursor={cursor}")
        size, cursor = size + page["searched_bytes"], page["next_cursor"]
        if not cursor:
            break
    if size != SIZE:
        raise RuntimeError(f"{size} bytes were searched")


def _removal(product: System, api: Api, database: Path) -> list[Figure]:
    """Measure triggers while the log is removed, beside the same without."""
    writer = _Writer(product)
    time.sleep(BASE_SECONDS)
    alone = writer.take()

    before = database.stat().st_size
    api.request("PATCH", f"/api/v1/orgs/{_org(api)}", {"max_log_mib": 1})
    wait_until(lambda: database.stat().st_size < before / 4, 300, "the room to be given back")
    meanwhile = writer.take()
    writer.end()

    kept = 100 * database.stat().st_size / before
    return [
        Figure(
            "trigger while logs are removed, p99",
            floors.p99_ms(meanwhile),
            MOST_WRITE_MS,
            "ms",
            f"{floors.p99_ms(alone):.1f} ms without",
        ),
        Figure("file once a log was removed", kept, 25.0, "%", f"of {before / 1e6:.0f} MB"),
    ]


def _org(api: Api) -> str:
    return str(api.json("GET", "/api/v1/whoami")["org"]["code"])


class _Writer:
    """Triggers automations one after the other, and keeps how long each took, in seconds."""

    def __init__(self, product: System) -> None:
        self._took: list[float] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._write, args=(product,))
        self._thread.start()

    def take(self) -> list[float]:
        """Return what was measured since the last call."""
        took, self._took = self._took, []
        return took

    def end(self) -> None:
        """Stop."""
        self._is_over.set()
        self._thread.join()

    def _write(self, product: System) -> None:
        with Api(product.access) as api:
            while not self._is_over.wait(0.01):
                self._took.append(_timed(lambda: api.run("nothing")))


def _lines(first: int, count: int) -> bytes:
    """Return what was printed from a line on."""
    lines = (f"request {number:010} {TEXT}\n" for number in range(first, first + count))
    return "".join(lines).encode()


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
