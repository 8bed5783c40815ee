"""Templates that say something of the queue, and workers that carry out whatever they are given."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import pytest

from opsicle.server.access.actor import Actor
from opsicle.server.store.database import Connection
from opsicle.wire.jobs import Work
from opsicle.wire.user_api import Automation
from tests.services.core import Core, TestWorker, is_held

_STEPS_AT_ONCE = 10
"""Steps of SQLite's machine between two counts."""

LONG_SECONDS = 600
"""How long a poll is held that nobody wakes: longer than any test waits for it."""


def hold_polls_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let open polls look again only when they are woken."""
    for name in ("poll_recorder.POLL_SECONDS", "service.POLL_SECONDS", "service.BUSY_POLL_SECONDS"):
        monkeypatch.setattr(f"opsicle.server.dispatch.{name}", LONG_SECONDS)


def source(name: str, said: str = "") -> str:
    """Return a template with more in its spec; it asks for a database."""
    more = "".join(f"  {line}\n" for line in said.splitlines())
    return f"""
apiVersion: v1
type: AutomationTemplate
metadata: {{name: {name}}}
spec:
  variables: [{{id: database, type: string, default: orders}}]
{more}  template:
    phases: [{{name: act, commands: ["true"]}}]
"""


def grouped(name: str, said: str = "", more: str = "") -> str:
    """Return a template of the group `db`, one for each database."""
    return source(name, f"concurrency: {{group: db, by: [database]{said}}}\n{more}")


def given(worker: TestWorker) -> list[str]:
    """Return the automations that a worker is handed by one poll; they begin."""
    works = worker.poll().work
    for work in works:
        worker.start(work)
    return [work.automation_id for work in works]


def wait_until_held(worker: TestWorker) -> None:
    """Let an open poll that was woken look for work, and wait again."""
    gevent.sleep(0)
    while not is_held(worker.core, worker.actor.worker_id):
        gevent.sleep(0)


def drain(worker: TestWorker) -> list[str]:
    """Carry out all that a worker is handed, one after another; the automations in that order."""
    done = given(worker)
    while worker.held:
        work: Work = next(iter(worker.held.values()))
        more = worker.finish_for_more(work).work
        for each in more:
            worker.start(each)
        done += [each.automation_id for each in more]
    return done


def reason(core: Core, actor: Actor, automation: Automation) -> str:
    return core.automations.get(actor, automation.id).waiting_reason


def steps_of(core: Core, work: Callable[[Connection], object]) -> int:
    """Return how many steps of SQLite's machine a unit of work takes, to about ten."""
    taken = 0

    def count() -> bool:
        nonlocal taken
        taken += _STEPS_AT_ONCE
        return False

    def counted(db: Connection) -> None:
        db.set_progress_handler(count, _STEPS_AT_ONCE)
        try:
            work(db)
        finally:
            db.set_progress_handler(None)

    core.database.write(counted)
    return taken
