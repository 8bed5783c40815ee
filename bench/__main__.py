"""`python3 build.py bench`: every figure beside a floor that was measured in the same run.

The product is started as a user starts it, with TLS, mutual TLS and `synchronous=FULL`; nothing is switched off.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import approvals, audit, figures, floors, logins
from bench.figures import Figure
from tests.product import PASSWORD, Installation
from tests.thin_api import Api

SLOTS = 8


def main() -> int:
    """Measure and print; 1 if an aim is missed and `--strict` asks for that."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", default="", help="measure only the figures whose group has this in its name")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if an aim is missed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="opsicle-bench-") as folder:
        missed = [figure for figure in _measure(Path(folder), options.only) if not figure.is_met]
    print(f"\n{len(missed)} aims missed" if missed else "\nall aims met")
    return 1 if missed and options.strict else 0


def _measure(folder: Path, only: str) -> list[Figure]:
    print(f"floor: 4 KiB appended and made durable in {floors.sync_ms(folder):.2f} ms")
    found: list[Figure] = []
    with Installation(folder) as installation:
        worker = installation.worker("bench", None, "--slots", str(SLOTS))
        for template in (figures.STAMP, figures.NOTHING, figures.LONG_LOG):
            installation.push(template)
        access = installation.access()
        person = logins.Person(access, installation.admin.email, PASSWORD)
        pids = installation.server.process.pid, worker.process.pid
        groups: dict[str, Callable[[], list[Figure]]] = {
            "memory": lambda: figures.idle_memory(*pids),
            "latency": lambda: figures.latencies(Api(access)),
            "logins": lambda: logins.dispatch_under_logins(Api(access), person),
            "throughput": lambda: [figures.throughput(access)],
            "approvals": lambda: approvals.approved_and_finished(installation, access, folder),
            "log": lambda: figures.long_log(Api(access), *pids),
        }
        for name, measure in groups.items():
            found += _shown(measure()) if only in name else []
    if only in "start":
        found += _shown(figures.start_up(folder / "start"))
    if only in "audit":
        found += _shown(audit.verifying(folder / "audit"))
    return found


def _shown(some: list[Figure]) -> list[Figure]:
    for figure in some:
        sign = "≥" if figure.is_floor else "≤"
        verdict = "met" if figure.is_met else "MISSED"
        value = f"{figure.value:9.2f} {figure.unit:4} {sign} {figure.limit:8.2f}"
        print(f"{figure.name:42} {value}  {verdict:6}  {figure.how}")
    return some


if __name__ == "__main__":
    sys.exit(main())
