"""Throughput while much waits that no connected worker can take, beside that of an empty queue."""

from __future__ import annotations

import json
from pathlib import Path

import apsw

from bench import systems
from bench.figures import Figure
from bench.systems import System
from bench.throughput import ROUNDS, measure
from tests.product import Installation
from tests.thin_api import Api

MANY = 50_000
EXPRESSIONS = 500
LEAST_SHARE = 0.9


def with_a_queue(folder: Path) -> list[Figure]:
    """Measure while 50,000 wait for one absent label, then while 500 wait for a label each."""
    empty = _rate(folder / "empty", 0, 1)
    how = f"{LEAST_SHARE} × that of an empty queue ({empty:.0f}/s)"

    return [
        Figure(
            name,
            _rate(folder / name, count, expressions),
            LEAST_SHARE * empty,
            "/s",
            how,
            is_floor=True,
        )
        for name, count, expressions in (
            ("throughput, 50,000 waiting", MANY, 1),
            ("throughput, 500 label sets waiting", EXPRESSIONS, EXPRESSIONS),
        )
    ]


def _rate(folder: Path, count: int, expressions: int) -> float:
    with systems.product(folder, 4) as (installation, system):
        api = Api(system.access)
        api.wait_final(api.run("stamp"))
        if count:
            _let_wait(installation, count, expressions)

        again = System(
            system.name,
            system.access,
            installation.server.process.pid,
            system.worker_pid,
            system.templates,
        )
        return max(measure(again).per_second for _ in range(ROUNDS))


def _let_wait(installation: Installation, count: int, expressions: int) -> None:
    """Copy the one automation that there is, as one that waits for labels which no worker has.

    The server restarts.
    """
    installation.server.process.stop()
    db = apsw.Connection(str(installation.server.folder / "data/opsicle.db"))

    label = "json_object('site', 'nowhere-' || (i % :expressions))"
    changed = {
        "id": "printf('00q%023d', i)",
        "state": "'queued'",
        "job_id": "NULL",
        "fence": "0",
        "started_at": "NULL",
        "finished_at": "NULL",
        "exit_code": "NULL",
        "requirements": f"json_set(requirements, '$.labels', {label})",
    }
    # The copies are of another template than what is then measured, which waits until none of its
    # own is queued.
    columns = [str(row[1]) for row in db.execute("PRAGMA table_info(automations)")]
    selected = ", ".join(changed.get(column, column) for column in columns)
    with db:
        db.execute(
            f"""
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT :count)
            INSERT INTO automations ({", ".join(columns)})
            SELECT {selected}
              FROM automations, n
             WHERE id = (SELECT id FROM automations ORDER BY id LIMIT 1)
            """,
            {"count": count, "expressions": expressions},
        )

    waiting = db.execute(
        "SELECT count(*), count(DISTINCT requirements) FROM automations WHERE state = 'queued'"
    ).get
    if waiting != (count, expressions):
        raise RuntimeError(f"{json.dumps(waiting)} wait, not {count} for {expressions} label sets")

    db.close()
    installation.server.start()
