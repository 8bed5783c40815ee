"""What comes first, and that a free slot finds it as quickly in a long queue as in a short one."""

from __future__ import annotations

import random

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.server.access.actor import Actor
from opsicle.server.fleet.presence import Presence
from opsicle.server.store.database import Connection
from tests.services.core import Core
from tests.services.queueing import drain, given, grouped, source, steps_of


def test_the_highest_priority_goes_first_and_within_one_the_oldest(
    core: Core, alice: Actor
) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for priority in (0, 3, 9):
        core.push(alice, source(f"p{priority}", f"priority: {priority}"))
        core.push(alice, source(f"t{priority}", f"priority: {priority}\ntimeout: 60"))
    core.push(alice, source("p5"))
    names = [*(f"{kind}{priority}" for kind in "pt" for priority in (0, 3, 9)), "p5"]
    asked = [(name := chance.choice(names), core.run(alice, name).id) for _ in range(40)]
    worker = core.worker(alice.org_id, "w1")

    done = drain(worker)

    assert done == [each for _, each in sorted(asked, key=lambda each: (-int(each[0][1]), each[1]))]


def test_an_orgs_priorities_do_not_take_a_shared_worker_from_others(core: Core) -> None:
    actors = []
    for code, priority in (("acme", 9), ("globex", 1)):
        org_id = core.org(code)
        core.allow_shared(org_id)
        actors.append(core.person(org_id, f"of-{code}", BuiltInRole.OPERATOR))
        core.push(actors[-1], source("job", f"priority: {priority}"))
    core.push(actors[0], grouped("alone", more="priority: 9"))
    acme = [core.run(actors[0], "job").id for _ in range(3)]
    acme_alone = [core.run(actors[0], "alone").id for _ in range(2)]
    globex = [core.run(actors[1], "job").id for _ in range(3)]
    shared = core.shared_worker(actors[0].org_id, "shared")

    done = drain(shared)

    assert done[::2][:3] == acme
    assert done[1::2][:3] == globex
    assert done[6:] == acme_alone


FULL, OPEN, APART = "behind one that runs", "in as many groups as there are", "of no group"


def many(core: Core, alice: Actor, count: int, case: str) -> None:
    """Let copies of one automation wait, of which nothing is ever carried out."""
    copied = core.run(alice, "hello").id
    key = "concurrency_key || i" if case == OPEN else "concurrency_key"

    def work(db: Connection) -> None:
        columns = [str(row[1]) for row in db.execute("PRAGMA table_info(automations)")]
        changed = {"id": "id || '-' || i", "concurrency_key": key}
        selected = ", ".join(changed.get(column, column) for column in columns)
        db.execute(
            f"""
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT :count)
            INSERT INTO automations ({", ".join(columns)})
            SELECT {selected} FROM automations, n WHERE id = :copied
            """,
            {"count": count, "copied": copied},
        )

    core.database.write(work)
    core.jobs.refresh_queue()


@pytest.mark.parametrize("case", [APART, FULL, OPEN])
def test_a_free_slot_is_filled_in_as_many_steps_from_a_long_queue_as_from_a_short_one(
    core: Core, case: str
) -> None:
    steps = []
    for count in (20, 2_000):
        alice = core.person(core.org(f"org{count}"), f"alice{count}", BuiltInRole.OPERATOR)
        core.push(alice, source("hello") if case == APART else grouped("hello"))
        if case == FULL:
            core.run(alice, "hello")
            assert len(given(core.worker(alice.org_id, f"runs{count}"))) == 1
        many(core, alice, count, case)
        core.push(alice, source("urgent", "priority: 9"))
        urgent = [core.run(alice, "urgent").id for _ in range(2)]
        worker = core.worker(alice.org_id, f"w{count}")
        assert given(worker) == urgent[:1]
        presence = core.fleet.find(worker.actor.worker_id)
        assert presence

        def lease(db: Connection, presence: Presence = presence) -> None:
            leased = core.dispatch._lease_service.lease_waiting(db, presence, 1)
            assert [lease.automation_id for lease, _ in leased.items] == urgent[1:]  # noqa: B023

        steps.append(steps_of(core, lease))

    print(steps)
    short, long = steps
    assert long <= 1.2 * short
