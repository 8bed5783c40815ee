"""Workers that serve many orgs: whom, in which order, and what the orgs see of them."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import apsw
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import LeaseLost
from opsicle.server.access.actor import Actor
from opsicle.server.store import orgs
from opsicle.wire.user_api import Automation
from tests.services.core import HELLO, Core

FLOOD = 200
ELSEWHERE = HELLO.replace("  template:", "  runsOn: {labels: {site: ams}}\n  template:").replace(
    "hello}", "elsewhere}"
)


@pytest.fixture
def gina(core: Core) -> Actor:
    """Return the admin of another org, which has a template and no worker."""
    gina = core.person(core.org("globex"), "gina", BuiltInRole.ADMIN)
    core.push(gina)
    return gina


def reason(core: Core, actor: Actor, automation: Automation) -> str:
    return core.automations.get(actor, automation.id).waiting_reason


def test_a_shared_worker_serves_every_org_that_lets_it_and_no_other(
    core: Core, alice: Actor, gina: Actor
) -> None:
    worker = core.shared_worker(alice.org_id, "s1", slots=4)
    mine, hers = core.run(alice), core.run(gina)

    assert worker.poll().work == (), (
        "not even the org from where it was enrolled is served unless it says so"
    )

    core.allow_shared(gina.org_id)
    [work] = worker.poll().work

    assert work.automation_id == hers.id

    worker.start(work)
    worker.finish(work)

    assert (core.state(gina, hers), core.state(alice, mine)) == ("succeeded", "queued")


def test_an_orgs_permission_hands_out_what_waits_and_taking_it_back_stops_that(
    core: Core, alice: Actor, gina: Actor
) -> None:
    worker = core.shared_worker(alice.org_id, "s1")
    core.run(gina)
    poll = worker.poll_in_background()
    core.allow_shared(gina.org_id)
    [work] = poll.get(timeout=60).work
    worker.start(work)
    waits = core.run(gina)

    core.allow_shared(gina.org_id, False)

    assert worker.finish_for_more(work).work == ()
    assert worker.poll().work == ()
    assert core.state(gina, waits) == "queued"


def test_what_was_leased_but_not_begun_is_not_begun_after_the_permission_is_gone(
    core: Core, gina: Actor
) -> None:
    worker = core.shared_worker(gina.org_id, "s1")
    core.allow_shared(gina.org_id)
    automation = core.run(gina)
    [work] = worker.poll().work
    core.allow_shared(gina.org_id, False)

    with pytest.raises(LeaseLost):
        worker.start(work)

    worker.held.clear()
    assert worker.poll().work == ()
    assert core.state(gina, automation) == "queued"
    assert len(core.worker(gina.org_id, "own").poll().work) == 1


def test_the_database_decides_even_where_the_index_in_memory_is_wrong(
    core: Core, gina: Actor
) -> None:
    worker = core.shared_worker(gina.org_id, "s1")
    core.fleet.sharing_orgs.add(gina.org_id)

    core.run(gina)

    assert worker.poll().work == ()

    poll = worker.poll_in_background()
    core.run(gina)

    core.dispatch.close()

    assert poll.get(timeout=60).work == ()


def test_a_flood_of_one_org_holds_up_anothers_automation_for_one_job_only(
    core: Core, alice: Actor, gina: Actor
) -> None:
    worker = core.shared_worker(alice.org_id, "s1", slots=1)
    for org_id in (alice.org_id, gina.org_id):
        core.allow_shared(org_id)
    for _ in range(FLOOD):
        core.run(alice)
    [work] = worker.poll().work
    worker.start(work)
    hers = core.run(gina)

    [after] = worker.finish_for_more(work).work

    assert after.automation_id == hers.id, "the very next job is hers"

    served = []
    for _ in range(6):
        core.run(gina)
        worker.start(after)
        [after] = worker.finish_for_more(after).work
        served.append(core.database.read(partial(org_of, automation_id=after.automation_id)))

    assert all(one != other for one, other in pairwise(served)), "by turns"


def org_of(db: apsw.Connection, automation_id: str) -> str:
    return str(
        db.execute("SELECT org_id FROM automations WHERE id = ?", (automation_id,)).fetchone()[0]
    )


def test_many_slots_are_filled_by_turns_too(core: Core, alice: Actor, gina: Actor) -> None:
    for org_id in (alice.org_id, gina.org_id):
        core.allow_shared(org_id)
    for _ in range(FLOOD):
        core.run(alice)
    for _ in range(3):
        core.run(gina)

    work = core.shared_worker(alice.org_id, "s1", slots=6).poll().work

    served = [core.database.read(lambda db, id=each.automation_id: org_of(db, id)) for each in work]
    assert (served.count(alice.org_id), served.count(gina.org_id)) == (3, 3)
    assert len(core.shared_worker(gina.org_id, "s2", slots=6).poll().work) == 6, (
        "one org alone gets all that is left"
    )


def test_turns_outlast_a_restart_and_hold_for_all_shared_workers_together(
    core: Core, alice: Actor, gina: Actor
) -> None:
    for org_id in (alice.org_id, gina.org_id):
        core.allow_shared(org_id)
    for _ in range(3):
        core.run(alice)
        core.run(gina)
    workers = [core.shared_worker(alice.org_id, f"s{n}") for n in range(4)]
    served = []
    for worker in workers[:2]:
        served += [work.automation_id for work in worker.poll().work]
    later = core.restart()
    for worker in workers[2:]:
        worker.core = later
        served += [work.automation_id for work in worker.poll().work]
    orgs_served = [later.database.read(lambda db, id=each: org_of(db, id)) for each in served]

    later.close()

    assert all(one != other for one, other in pairwise(orgs_served)), orgs_served


def test_an_org_whose_work_no_shared_worker_can_take_holds_nobody_up(
    core: Core, alice: Actor, gina: Actor
) -> None:
    core.push(alice, ELSEWHERE)
    for org_id in (alice.org_id, gina.org_id):
        core.allow_shared(org_id)
    for _ in range(5):
        core.run(alice, "elsewhere")
    hers = core.run(gina)

    [work] = core.shared_worker(alice.org_id, "s1").poll().work

    assert work.automation_id == hers.id
    assert len(core.shared_worker(alice.org_id, "s2", site="ams").poll().work) == 1


def test_an_orgs_own_worker_is_asked_before_a_shared_one(core: Core, gina: Actor) -> None:
    core.allow_shared(gina.org_id)
    shared = core.shared_worker(gina.org_id, "s1", slots=9).poll_in_background()
    own = core.worker(gina.org_id, "own").poll_in_background()

    core.run(gina)

    assert len(own.get(timeout=60).work) == 1
    assert not shared.ready()


def test_the_reason_for_waiting_names_a_shared_worker_and_nothing_of_what_it_does(
    core: Core, alice: Actor, gina: Actor
) -> None:
    for org_id in (alice.org_id, gina.org_id):
        core.allow_shared(org_id)
    worker = core.shared_worker(alice.org_id, "secret-name", slots=3)

    away = core.run(gina)

    assert reason(core, gina, away) == "a shared worker fits, but is not connected"

    for _ in range(3):
        core.run(alice)
    worker.poll()

    waits = core.run(gina)

    assert reason(core, gina, waits) == "a shared worker is busy"

    core.allow_shared(gina.org_id, False)
    assert reason(core, gina, waits) == "no worker has enrolled yet"


def test_whose_turn_it_is_takes_one_step_for_each_org_however_much_waits(
    core: Core, alice: Actor
) -> None:
    """By the plan that SQLite makes: no scan of automations."""

    def plan(db: apsw.Connection) -> list[str]:
        asked: list[str] = []

        class Spy:
            def execute(self, sql: str, parameters: object) -> apsw.Cursor:
                asked.extend(
                    str(row[3]) for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)
                )
                return db.execute(sql, parameters)

        orgs.list_shared_waiting(Spy())
        return asked

    steps = core.database.read(plan)
    assert "SEARCH a USING INDEX automations_queued (org_id>?)" in steps
    assert [step for step in steps if step.startswith("SCAN")] == ["SCAN waiting"] * 2
