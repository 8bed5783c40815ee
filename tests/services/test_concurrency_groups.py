"""At most as many automations of a concurrency group run at once as it says, whatever happens."""

from __future__ import annotations

import random
from dataclasses import dataclass

import apsw
import gevent
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import Conflict, LeaseLost, NotAllowed, NotFound
from opsicle.server.access.actor import Actor
from opsicle.wire.worker_api import LEASE_SECONDS
from tests.services.core import Core, TestWorker
from tests.services.queueing import LONG_SECONDS, drain, given, grouped, hold_polls_for_long, reason


@pytest.fixture(autouse=True)
def _polls_that_end_only_when_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    hold_polls_for_long(monkeypatch)


@pytest.fixture
def workers(core: Core, alice: Actor) -> list[TestWorker]:
    """Return two workers with room for more than any test asks for."""
    core.push(alice, grouped("backup"))
    return [core.worker(alice.org_id, name, slots=8) for name in ("w1", "w2")]


def test_one_of_a_group_runs_at_once_and_the_next_follows_its_end(
    core: Core, alice: Actor, workers: list[TestWorker]
) -> None:
    first, second, third = (core.run(alice, "backup") for _ in range(3))

    assert given(workers[0]) == [first.id]
    assert given(workers[1]) == []
    assert reason(core, alice, second) == "behind 1 other of group db/orders"
    assert reason(core, alice, third) == "behind 2 others of group db/orders"

    [work] = workers[0].held.values()
    reply = workers[0].finish_for_more(work)
    assert [each.automation_id for each in reply.work] == [second.id]
    assert reason(core, alice, third) == "behind 1 other of group db/orders"


def test_other_values_are_another_group_and_so_is_another_org(
    core: Core, alice: Actor, workers: list[TestWorker]
) -> None:
    zoe = core.person(core.org("globex"), "zoe", BuiltInRole.OPERATOR)
    core.push(zoe, grouped("backup"))
    theirs = core.worker(zoe.org_id, "theirs")

    runs = [core.run(alice, "backup", database=name).id for name in ("orders", "orders", "users")]
    other = core.run(zoe, "backup")

    assert given(workers[0]) == [runs[0], runs[2]]
    assert given(theirs) == [other.id]


def test_templates_share_a_group_and_the_smallest_limit_of_those_in_it_counts(
    core: Core, alice: Actor, workers: list[TestWorker]
) -> None:
    core.push(alice, grouped("read", ", limit: 3"))
    readers = [core.run(alice, "read") for _ in range(2)]
    alone = core.run(alice, "backup")
    late = core.run(alice, "read")

    assert given(workers[0]) == [each.id for each in readers]
    assert reason(core, alice, late) == "behind 3 others of group db/orders"
    for work in list(workers[0].held.values()):
        workers[0].finish(work)
    assert given(workers[0]) == [alone.id]
    assert given(workers[1]) == []
    [work] = workers[0].held.values()
    assert [each.automation_id for each in workers[0].finish_for_more(work).work] == [late.id]


def test_an_automation_that_no_worker_fits_does_not_hold_up_its_group(
    core: Core, alice: Actor, workers: list[TestWorker]
) -> None:
    core.push(alice, grouped("elsewhere", more="runsOn: {labels: {site: nowhere}}"))
    core.run(alice, "elsewhere")
    here = core.run(alice, "backup")

    assert given(workers[0]) == [here.id]


def test_the_highest_priority_of_a_group_comes_first(
    core: Core, alice: Actor, workers: list[TestWorker]
) -> None:
    core.push(alice, grouped("urgent", more="priority: 9"))
    runs = [core.run(alice, name).id for name in ("backup", "backup", "urgent", "backup", "urgent")]

    assert drain(workers[0]) == [runs[at] for at in (2, 4, 0, 1, 3)]


def test_a_waiting_worker_hears_when_a_person_makes_room(
    core: Core, alice: Actor, workers: list[TestWorker]
) -> None:
    core.run(alice, "backup")
    [work] = workers[0].poll().work
    waits = core.run(alice, "backup")
    poll = workers[1].poll_in_background(LONG_SECONDS)

    core.automations.cancel(alice, work.automation_id)

    assert [each.automation_id for each in poll.get(timeout=60).work] == [waits.id]
    with pytest.raises(LeaseLost):
        workers[0].start(work)


def test_each_idle_worker_gets_one_of_several_that_may_begin_at_once(
    core: Core, alice: Actor, workers: list[TestWorker]
) -> None:
    core.push(alice, grouped("read", ", limit: 3"))
    core.run(alice, "backup")
    given(workers[0])
    readers = [core.run(alice, "read") for _ in range(3)]
    idle = [core.worker(alice.org_id, name) for name in ("w3", "w4", "w5")]
    polls = [worker.poll_in_background(LONG_SECONDS) for worker in idle]

    [work] = workers[0].held.values()
    workers[0].finish(work)

    gevent.joinall(polls, timeout=60, raise_error=True)
    given_out = [work.automation_id for poll in polls for work in poll.value.work]
    assert sorted(given_out) == sorted(each.id for each in readers)


def test_an_automation_that_is_triggered_while_a_worker_waits_overtakes_nobody(
    core: Core, alice: Actor, workers: list[TestWorker]
) -> None:
    poll = workers[1].poll_in_background(LONG_SECONDS)
    first = core.run(alice, "backup")
    [work] = poll.get(timeout=60).work
    poll = workers[0].poll_in_background(LONG_SECONDS)

    second = core.run(alice, "backup")

    assert (work.automation_id, core.state(alice, second)) == (first.id, "queued")
    workers[1].start(work)
    workers[1].finish(work)
    assert [each.automation_id for each in poll.get(timeout=60).work] == [second.id]


def test_a_new_automation_does_not_overtake_one_that_waits_for_room(
    core: Core, alice: Actor, workers: list[TestWorker]
) -> None:
    core.push(alice, grouped("read", ", limit: 3"))
    core.run(alice, "read")
    given(workers[0])
    alone = core.run(alice, "backup")
    poll = workers[1].poll_in_background(LONG_SECONDS)

    late = core.run(alice, "read")

    assert not poll.ready()
    assert reason(core, alice, late) == "behind 2 others of group db/orders"
    assert drain(workers[0]) == [alone.id, late.id]


def test_a_lease_that_lapses_before_the_start_gives_its_place_back(
    core: Core, alice: Actor, workers: list[TestWorker]
) -> None:
    first, second = core.run(alice, "backup"), core.run(alice, "backup")
    [lost] = workers[0].poll().work
    core.clock.advance(LEASE_SECONDS + 1)
    core.jobs.expire()

    assert given(workers[1]) == [first.id]
    with pytest.raises(LeaseLost):
        workers[0].start(lost)
    assert reason(core, alice, second) == "behind 1 other of group db/orders"


def lose(core: Core, worker: TestWorker) -> None:
    core.clock.advance(LEASE_SECONDS + 1)
    core.jobs.expire()
    assert worker.held


def test_a_job_of_which_nobody_knows_the_end_holds_its_group_until_a_person_releases_it(
    core: Core, alice: Actor, workers: list[TestWorker]
) -> None:
    first, second = core.run(alice, "backup"), core.run(alice, "backup")
    given(workers[0])
    lose(core, workers[0])

    core = core.restart()
    other = TestWorker(core, workers[1].actor, 8, {})
    assert given(other) == []
    assert core.automations.get(alice, first.id).is_group_held
    assert f"`opsicle automations release {first.id}`" in reason(core, alice, second)
    poll = other.poll_in_background(LONG_SECONDS)
    releases = core.services.group_releases
    mallory = core.person(alice.org_id, "mallory", BuiltInRole.MEMBER)
    with pytest.raises(NotAllowed):
        releases.release(mallory, first.id)
    eve = core.person(core.org("globex"), "eve", BuiltInRole.ADMIN)
    with pytest.raises(NotFound):
        releases.release(eve, first.id)

    releases.release(alice, first.id)

    assert [work.automation_id for work in poll.get(timeout=60).work] == [second.id]
    assert core.state(alice, first) == "unknown"
    with pytest.raises(Conflict):
        releases.release(alice, first.id)
    with pytest.raises(Conflict):
        releases.release(alice, second.id)
    core.close()


def test_a_worker_that_comes_back_with_the_truth_releases_the_group(
    core: Core, alice: Actor, workers: list[TestWorker]
) -> None:
    _, second = core.run(alice, "backup"), core.run(alice, "backup")
    given(workers[0])
    [work] = workers[0].held.values()
    lose(core, workers[0])
    poll = workers[1].poll_in_background(LONG_SECONDS)

    workers[0].finish(work)

    assert [each.automation_id for each in poll.get(timeout=60).work] == [second.id]


def test_a_rerun_waits_for_its_group_too(
    core: Core, alice: Actor, workers: list[TestWorker]
) -> None:
    first = core.run(alice, "backup")
    given(workers[0])

    again = core.automations.rerun(alice, first.id)

    assert again.waiting_reason == "behind 1 other of group db/orders"
    assert given(workers[1]) == []


def test_turns_that_were_changed_past_the_server_let_nobody_begin(
    core: Core, alice: Actor, workers: list[TestWorker]
) -> None:
    runs = [core.run(alice, "backup").id for _ in range(4)]
    assert given(workers[0]) == [runs[0]]
    apart = apsw.Connection(str(core.database.path))
    apart.execute("UPDATE automations SET turn = 'ready'")
    apart.close()
    core.jobs.refresh_queue()

    assert given(workers[1]) == []
    assert drain(workers[0]) == runs[1:]


def test_a_group_that_was_taken_off_a_row_is_found_out(
    core: Core, alice: Actor, workers: list[TestWorker]
) -> None:
    core.run(alice, "backup")
    given(workers[0])
    altered = core.run(alice, "backup")
    core.database.write(
        lambda db: db.execute(
            "UPDATE automations SET concurrency_key = NULL, turn = 'ready' WHERE id = ?",
            (altered.id,),
        )
    )
    core.jobs.refresh_queue()

    assert given(workers[1]) == []
    assert core.state(alice, altered) == "cancelled"


@dataclass
class GroupWalk:
    """Takes steps at random: people, workers, and a server that restarts."""

    core: Core
    alice: Actor
    chance: random.Random
    fleet: list[TestWorker]

    def step(self) -> None:
        worker = self.chance.choice(self.fleet)
        names = ["run", "run", "poll", "poll", "finish", "cancel"]
        match self.chance.choice(names) if self.chance.random() > 0.02 else "restart":
            case "run":
                template = self.chance.choice(list(LIMITS))
                database = self.chance.choice(["orders", "users"])
                self.core.run(self.alice, template, database=database)
            case "poll":
                given(worker)
            case "finish" if worker.held:
                work = self.chance.choice(list(worker.held.values()))
                for more in worker.finish_for_more(work).work:
                    worker.start(more)
            case "cancel" if waiting := waiting_in(self.core):
                self.core.automations.cancel(self.alice, self.chance.choice(waiting))
            case "restart":
                self.core = self.core.restart()
                for each in self.fleet:
                    each.core = self.core


LIMITS = {"one": 1, "two": 2, "three": 3}


def test_whatever_happens_no_group_has_more_than_its_limit_and_all_have_their_turn(
    core: Core, alice: Actor
) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    for name, limit in LIMITS.items():
        core.push(alice, grouped(name, f", limit: {limit}", f"priority: {limit}"))
    fleet = [core.worker(alice.org_id, f"w{n}", slots=3) for n in range(3)]
    walk = GroupWalk(core, alice, random.Random(seed), fleet)

    for _ in range(200):
        walk.step()
        assert_limits_are_kept(walk.core)

    while any(drain(worker) for worker in fleet):
        assert_limits_are_kept(walk.core)
    assert waiting_in(walk.core) == []
    walk.core.close()


def waiting_in(core: Core) -> list[str]:
    sql = "SELECT id FROM automations WHERE state = 'queued'"
    return [row[0] for row in core.database.read(lambda db: db.execute(sql).fetchall())]


def assert_limits_are_kept(core: Core) -> None:
    """Count past the product's own statements what runs at this moment."""
    too_many = core.database.read(
        lambda db: db.execute(
            """
            SELECT concurrency_key, count(*), min(concurrency_limit)
              FROM automations
             WHERE state IN ('running', 'unknown') OR (state = 'queued' AND job_id IS NOT NULL)
             GROUP BY org_id, concurrency_key
            HAVING concurrency_key IS NOT NULL AND count(*) > min(concurrency_limit)
            """
        ).fetchall()
    )
    assert too_many == []
