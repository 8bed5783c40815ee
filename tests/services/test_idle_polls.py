"""A worker that has nothing and says nothing new costs no look into the database.

Whatever comes up between two of its polls reaches the next one all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from opsicle.domain.errors import NotAuthenticated
from opsicle.server.access.actor import Actor
from opsicle.server.store.worker_status import LAST_SEEN_INTERVAL
from opsicle.wire.fleet_api import UpdateWorkerRequest
from tests.services.core import Core, TestWorker


@pytest.fixture
def idle(core: Core, alice: Actor) -> TestWorker:
    """Return a worker of which the server knows that it has nothing."""
    worker = core.worker(alice.org_id, "w1")
    worker.poll()
    return worker


def looks(core: Core, call: Callable[[], object]) -> list[str]:
    """Return the statements that the writing connection runs in a call."""
    statements: list[str] = []

    def note(_cursor: object, sql: str, _bindings: object) -> bool:
        statements.append(sql)
        return True

    core.database._writer.exec_trace = note
    try:
        call()
    finally:
        core.database._writer.exec_trace = None
    return statements


def test_a_poll_that_says_the_same_again_looks_for_nothing(core: Core, idle: TestWorker) -> None:
    core.clock.advance(seconds=30)

    assert looks(core, idle.poll) == []


@pytest.mark.parametrize(
    "change",
    [{"slots": 3}, {"labels": {"site": "ams"}}, {"is_draining": True}, {"boot_id": "boot-2"}],
    ids=lambda change: next(iter(change)),
)
def test_a_poll_that_says_anything_new_looks(
    core: Core, idle: TestWorker, change: dict[str, object]
) -> None:
    changed = replace(idle, **change)  # type: ignore[arg-type]

    assert looks(core, changed.poll)


def test_a_worker_that_was_woken_between_two_polls_looks(core: Core, idle: TestWorker) -> None:
    presence = core.fleet.find(idle.actor.worker_id)
    assert presence is not None

    presence.wake()

    assert looks(core, idle.poll)


def test_it_looks_again_after_a_while_and_is_seen_then(core: Core, idle: TestWorker) -> None:
    core.clock.advance(LAST_SEEN_INTERVAL.total_seconds() + 1)

    statements = looks(core, idle.poll)

    assert any("last_seen_at = :at" in each for each in statements)
    assert looks(core, idle.poll) == []


def test_work_that_came_between_two_polls_is_found(
    core: Core, alice: Actor, idle: TestWorker
) -> None:
    automation = core.run(alice)

    (work,) = idle.poll().work

    assert work.automation_id == automation.id


def test_work_whose_answer_was_lost_is_given_back_at_the_next_poll(
    core: Core, alice: Actor, idle: TestWorker
) -> None:
    core.run(alice)
    idle.poll()
    idle.held.clear()
    core.clock.advance(seconds=5)

    (again,) = idle.poll().work

    assert again.fence == 2


def test_a_worker_that_people_let_drain_hears_of_it_at_the_next_poll(
    core: Core, alice: Actor, idle: TestWorker
) -> None:
    core.services.workers.drain(alice, "w1")

    assert idle.poll().drain


def test_labels_that_people_grant_are_told_at_the_next_poll(
    core: Core, alice: Actor, idle: TestWorker
) -> None:
    core.services.workers.grant_labels(alice, "w1", UpdateWorkerRequest(labels={"site": "ams"}))

    assert idle.poll().granted == {"site": "ams"}


def test_a_worker_that_was_revoked_is_refused_though_its_poll_was_let_in(
    core: Core, alice: Actor, idle: TestWorker
) -> None:
    core.services.workers.revoke(alice, "w1")

    with pytest.raises(NotAuthenticated, match="revoked"):
        idle.poll()


def test_what_somebody_changed_past_the_server_is_found_after_a_while(
    core: Core, idle: TestWorker
) -> None:
    sql = "UPDATE workers SET state = 'draining' WHERE id = :id"
    core.database.write(lambda db: db.execute(sql, {"id": idle.actor.worker_id}).fetchall())
    core.clock.advance(LAST_SEEN_INTERVAL.total_seconds() + 1)

    assert idle.poll().drain
