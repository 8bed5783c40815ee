"""Two thousand workers that wait for work over mutual TLS of their own, simulated by a process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import apsw
from cryptography.hazmat.primitives.asymmetric import ec

from bench.figures import Figure, cpu_seconds, resident_mib
from bench.latency import start_percentile_ms
from bench.systems import STAMP, template
from opsicle.security.authority import Authority
from opsicle.security.certificates import private_key_pem
from opsicle.server.store import workers
from opsicle.server.store.workers import NewWorker
from tests.product import CHECKOUT, Installation
from tests.support import wait_until
from tests.thin_api import Api

FEW, MANY = 10, 2_000
RUNS = 100
IDLE_SECONDS = 60.0
RETURN_SECONDS = 10.0
STAMP_HERE = template("stamp", STAMP, "runsOn: {labels: {site: here}},")
"""Only the one real worker can take it; all others must be passed over."""


@dataclass(frozen=True)
class _Measured:
    """What one fleet has cost."""

    p99_ms: float
    resident_mib: float
    cpu_share: float
    return_seconds: float


def fleets(folder: Path) -> list[Figure]:
    """Measure with ten workers, then with two thousand."""
    few, many = _measure(folder / "few", FEW), _measure(folder / "many", MANY)
    each = (many.resident_mib - few.resident_mib) * 1024 / (MANY - FEW)

    return [
        Figure(
            "idle worker, in the server",
            each,
            80,
            "KiB",
            f"resident with {MANY}, less that with {FEW}",
        ),
        Figure(
            "server with 2,000 idle workers",
            many.cpu_share,
            2,
            "%",
            f"of a core, over {IDLE_SECONDS:.0f} s",
        ),
        Figure(
            "trigger → starts, p99, 2,000 workers",
            many.p99_ms,
            3 * few.p99_ms,
            "ms",
            f"3 × that with {FEW}",
        ),
        Figure(
            "2,000 workers back after a restart",
            many.return_seconds,
            RETURN_SECONDS,
            "s",
            "from the ready line",
        ),
    ]


def _measure(folder: Path, count: int) -> _Measured:
    with Installation(folder) as installation:
        installation.worker("here", None, "--label", "site=here")
        installation.push(STAMP_HERE)
        access, server = installation.access(), installation.server

        server.process.stop()
        _enrol(folder, server.folder / "data", count)
        server.start()

        fleet = _Fleet(folder, server.facts["worker_url"])
        try:
            fleet.wait_for_all(count, polls=1)
            api = Api(access)
            wait_until(lambda: api.run("stamp"), 30, "the server")

            p99 = start_percentile_ms(api, RUNS, 99)
            share = _idle_share(server.process.pid)
            memory = resident_mib(server.process.pid)

            server.process.stop()
            server.start()
            began = time.perf_counter()
            fleet.wait_for_all(count, polls=2)
            return _Measured(p99, memory, share, time.perf_counter() - began)
        finally:
            fleet.end()


def _idle_share(pid: int) -> float:
    before = cpu_seconds(pid)
    time.sleep(IDLE_SECONDS)
    return (cpu_seconds(pid) - before) / IDLE_SECONDS * 100


def _enrol(folder: Path, data: Path, count: int) -> None:
    """Write workers into the database of a stopped server, and their certificates beside it."""
    now = datetime.now(UTC)
    authority = Authority.load((data / "ca.pem").read_text(), (data / "authority.pem").read_text())
    key = ec.generate_private_key(ec.SECP256R1())

    db = apsw.Connection(str(data / "opsicle.db"))
    org_id, org_code = next(db.execute("SELECT id, code FROM orgs"))
    certificates = []
    with db:
        for number in range(count):
            worker_id = f"bench{number:06}"
            issued = authority.issue_worker(key.public_key(), org_code, worker_id, now)
            certificates.append(issued.pem)
            new = NewWorker(
                id=worker_id,
                org_id=org_id,
                name=worker_id,
                labels={"site": f"s{number}"},
                granted_labels={"site": f"s{number}"},
                slots=4,
                certificate_serial=issued.serial,
                certificate_expires_at=issued.not_after,
            )
            workers.insert(db, new, now)
    db.close()

    facts = {"ca": authority.cert_pem, "key": private_key_pem(key), "certificates": certificates}
    (folder / "fleet.json").write_text(json.dumps(facts))


class _Fleet:
    """The simulating process."""

    def __init__(self, folder: Path, url: str) -> None:
        self._seen = folder / "fleet.seen"
        command = [
            sys.executable,
            "-m",
            "bench.fleet_client",
            str(folder / "fleet.json"),
            url,
            str(self._seen),
        ]
        self._process = subprocess.Popen(command, cwd=CHECKOUT)

    def wait_for_all(self, count: int, polls: int) -> None:
        """Wait until every worker has been answered on its connection number `polls`."""
        wanted = f"{polls} {count}"
        wait_until(
            lambda: self._seen.exists() and wanted in self._seen.read_text().split("\n"),
            120,
            wanted,
        )

    def end(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()
