"""`python3 build.py bench`: every figure beside a floor that was measured in the same run.

What is measured is the shipped file, started as a user starts it, with TLS, mutual TLS, audit and
`synchronous=FULL`; nothing is switched off. Beside it stands a bare prototype of the same shape
(`bench/prototype`), or what the machine itself takes. Each group makes and ends what it needs, so
`--only` measures the same as the whole.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from bench import (
    approvals,
    audit,
    fleet,
    floors,
    history,
    latency,
    log_parts,
    logins,
    logs,
    starting,
    systems,
    throughput,
    waiting,
)
from bench.figures import Figure
from tests.product import PASSWORD

SLOTS = 8


def main() -> int:
    """Measure and print; return 1 if an aim is missed and `--strict` asks for that."""
    parser = argparse.ArgumentParser(
        prog="bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--only", choices=GROUPS, action="append", help="measure only this group; may be repeated"
    )
    parser.add_argument("--strict", action="store_true", help="exit with 1 if an aim is missed")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="opsicle-bench-") as folder:
        missed = [
            figure for figure in _measure(Path(folder), options.only or GROUPS) if not figure.is_met
        ]

    print(f"\n{len(missed)} aims missed" if missed else "\nall aims met")
    return 1 if missed and options.strict else 0


def _measure(folder: Path, groups: Iterable[str]) -> Iterator[Figure]:
    trip, commit = floors.tls_round_trip_ms(folder), floors.commit_ms(folder)
    print(
        f"floors: mTLS round trip {trip:.2f} ms, FULL commit of one page {commit:.2f} ms",
        flush=True,
    )
    for name in groups:
        for figure in GROUPS[name](folder / name):
            _show(figure)
            yield figure


def _show(figure: Figure) -> None:
    sign = "≥" if figure.is_floor else "≤"
    verdict = "met" if figure.is_met else "MISSED"
    value = f"{figure.value:9.2f} {figure.unit:4} {sign} {figure.limit:8.2f}"
    print(f"{figure.name:42} {value}  {verdict:6}  {figure.how}", flush=True)


def _idle(folder: Path) -> list[Figure]:
    with systems.product(folder, SLOTS) as (_, product):
        return starting.idle(product)


def _latency(folder: Path) -> list[Figure]:
    with (
        systems.product(folder / "product", SLOTS) as (_, product),
        systems.prototype(folder / "prototype", SLOTS) as prototype,
    ):
        return latency.latencies(product, prototype)


def _logins(folder: Path) -> list[Figure]:
    with systems.product(folder, SLOTS) as (installation, product):
        person = logins.Person(product.access, installation.admin.email, PASSWORD)
        return logins.dispatch_under_logins(product.access, person)


def _approvals(folder: Path) -> list[Figure]:
    with systems.product(folder, SLOTS) as (installation, product):
        return approvals.approved_and_finished(installation, product.access, folder)


GROUPS: dict[str, Callable[[Path], list[Figure]]] = {
    "start": starting.start_up,
    "idle": _idle,
    "latency": _latency,
    "throughput": throughput.throughputs,
    "queue": waiting.with_a_queue,
    "log": logs.logs,
    "log parts": log_parts.log_parts,
    "logins": _logins,
    "approvals": _approvals,
    "fleet": fleet.fleets,
    "history": history.histories,
    "audit": audit.verifying,
}


if __name__ == "__main__":
    sys.exit(main())
