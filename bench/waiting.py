"""Throughput while much waits that no connected worker can take, beside that of an empty queue.

Because no worker has the label that it asks for, or because its concurrency group is full.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import apsw

from bench import systems
from bench.figures import Figure
from bench.systems import System
from bench.throughput import ROUNDS, measure
from tests.product import Installation
from tests.thin_api import Api

MANY = 50_000
FEW = 500
LEAST_SHARE = 0.9

_LABEL = "json_set(requirements, '$.labels', json_object('site', 'nowhere-' || (i % :unlike)))"
_WAITING = {
    "id": "printf('00q%023d', i)",
    "state": "'queued'",
    "job_id": "NULL",
    "fence": "0",
    "started_at": "NULL",
    "finished_at": "NULL",
    "exit_code": "NULL",
}
_IN_GROUP = {
    "concurrency_key": "'db/' || (i % :unlike)",
    "concurrency_limit": "1",
    "on_limit": "'queue'",
    "turn": "'behind'",
}
_HOLDING = {"id": "printf('00h%023d', i)", "state": "'unknown'"}
"""Of which nobody knows the end, so that they hold their groups for as long as is measured."""


class Queue(NamedTuple):
    """What waits: so many, of which so many ask for something else, or are in other groups."""

    name: str
    count: int
    unlike: int
    is_grouped: bool = False


QUEUES = (
    Queue("50,000 waiting", MANY, 1),
    Queue("500 label sets waiting", FEW, FEW),
    Queue("50,000 behind one full group", MANY, 1, is_grouped=True),
    Queue("50,000 behind 500 full groups", MANY, FEW, is_grouped=True),
)


def with_a_queue(folder: Path) -> list[Figure]:
    """Measure with an empty queue, and then with each of the queues."""
    empty = _rate(folder / "empty", None)
    how = f"{LEAST_SHARE} × that of an empty queue ({empty:.0f}/s)"
    return [
        Figure(
            f"throughput, {queue.name}",
            _rate(folder / queue.name, queue),
            LEAST_SHARE * empty,
            "/s",
            how,
            is_floor=True,
        )
        for queue in QUEUES
    ]


def _rate(folder: Path, queue: Queue | None) -> float:
    with systems.product(folder, 4) as (installation, system):
        api = Api(system.access)
        api.wait_final(api.run("stamp"))
        if queue:
            _let_wait(installation, queue)

        again = System(
            system.name,
            system.access,
            installation.server.process.pid,
            system.worker_pid,
            system.templates,
        )
        return max(measure(again).per_second for _ in range(ROUNDS))


def _let_wait(installation: Installation, queue: Queue) -> None:
    """Copy the one automation that there is, as one that waits. The server restarts.

    The copies are of another template than what is then measured, which waits until none of its own
    is queued.
    """
    with _stopped(installation) as db:
        if queue.is_grouped:
            _copy(db, queue.unlike, queue.unlike, _IN_GROUP | _HOLDING)
            _copy(db, queue.count, queue.unlike, _WAITING | _IN_GROUP)
            db.execute("DELETE FROM concurrency_changes")
        else:
            _copy(db, queue.count, queue.unlike, _WAITING | {"requirements": _LABEL})

        unlike = "concurrency_key" if queue.is_grouped else "requirements"
        waiting = db.execute(
            f"SELECT count(*), count(DISTINCT {unlike}) FROM automations WHERE state = 'queued'"
        ).get
        if waiting != (queue.count, queue.unlike):
            raise RuntimeError(f"{waiting} wait, not {queue.count} in {queue.unlike} ways")


@contextmanager
def _stopped(installation: Installation) -> Iterator[apsw.Connection]:
    """Give the database of a server that is stopped meanwhile."""
    installation.server.process.stop()
    db = apsw.Connection(str(installation.server.folder / "data/opsicle.db"))
    with db:
        yield db
    db.close()
    installation.server.start()


def _copy(db: apsw.Connection, count: int, unlike: int, changed: dict[str, str]) -> None:
    columns = [str(row[1]) for row in db.execute("PRAGMA table_info(automations)")]
    selected = ", ".join(changed.get(column, column) for column in columns)
    db.execute(
        f"""
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT :count)
        INSERT INTO automations ({", ".join(columns)})
        SELECT {selected}
          FROM automations, n
         WHERE id = (SELECT id FROM automations WHERE state = 'succeeded' LIMIT 1)
        """,
        {"count": count, "unlike": unlike},
    )
