"""The indexes in memory of what waits and who waits.

Whatever happens, nobody who could work is left without.
"""

from __future__ import annotations

import random

import apsw
import gevent
import pytest

from opsicle.domain.workers import Requirements
from opsicle.server.access.actor import Actor
from opsicle.server.fleet.presence import Presence
from opsicle.server.fleet.waiting_workers import SHARED_POOL, WaitingWorkers
from opsicle.wire.worker_api import PollRequest
from tests.services.core import HELLO, Core
from tests.services.team import Team, template_source


class RolledBack(Exception):
    """Ends a transaction."""


def test_a_lease_that_is_rolled_back_leaves_the_work_to_be_found(core: Core, alice: Actor) -> None:
    automation = core.run(alice)
    worker = core.worker(alice.org_id, "w")
    (work,) = worker.poll().work
    presence = core.fleet.find(worker.actor.worker_id)
    assert presence
    worker.start(work)
    worker.finish(work)
    again = core.run(alice)

    def lease_and_fail(db: object) -> None:
        leased = core.dispatch._lease_service.lease_waiting(db, presence, 1)
        assert [lease.automation_id for lease, _ in leased.items] == [again.id]
        raise RolledBack

    with pytest.raises(RolledBack):
        core.database.write(lease_and_fail)

    assert [work.automation_id for work in worker.poll().work] == [again.id]
    assert core.state(alice, automation) == "succeeded"


def test_what_waits_is_found_after_a_restart_and_after_a_change_past_the_server(
    core: Core, alice: Actor
) -> None:
    first = core.run(alice)
    core = core.restart()
    worker = core.worker(alice.org_id, "w", slots=2)
    assert [work.automation_id for work in worker.poll().work] == [first.id]

    hidden = core.run(alice)
    core.database.write(
        lambda db: db.execute(
            "UPDATE automations SET state = 'cancelled' WHERE id = ?", (hidden.id,)
        )
    )
    assert worker.poll().work == ()
    apart = core.database.path
    other = apsw.Connection(str(apart))
    other.execute("UPDATE automations SET state = 'queued' WHERE id = ?", (hidden.id,))
    other.close()
    core.jobs.refresh_queue()

    assert [work.automation_id for work in worker.poll().work] == [hidden.id]
    core.close()


def test_the_oldest_goes_first_whatever_else_waits(core: Core, alice: Actor) -> None:
    core.push(
        alice, HELLO.replace("name: hello", "name: other").replace("spec:", "spec:\n  timeout: 60")
    )
    names = ["hello", "other"]
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    order = random.Random(seed)
    asked = [core.run(alice, order.choice(names)).id for _ in range(40)]
    worker = core.worker(alice.org_id, "w")

    served = [work.automation_id for work in worker.poll().work]
    while worker.held:
        work = next(iter(worker.held.values()))
        worker.start(work)
        reply = worker.finish_for_more(work)
        served += [work.automation_id for work in reply.work]

    assert served == asked


def test_whoever_waits_hears_of_what_was_approved(core: Core) -> None:
    team = Team(core)
    team.policy()
    core.push(team.people["alice"], template_source("careful"))
    worker = core.worker(team.org_id, "w")
    poll = worker.poll_in_background()

    asked = team.ask(password="hunter22")
    team.approve("bob", asked)

    assert [work.automation_id for work in poll.get(timeout=60).work] == [asked.id]


def presence(name: str, home: str, **labels: str) -> Presence:
    poll = PollRequest(
        boot_id="b",
        program_version="0",
        labels=labels,
        slots=1,
        free_slots=1,
        runtimes=("subprocess",),
    )
    return Presence(name, name, home, poll, 0.0, is_shared=home == SHARED_POOL)


def labelled(**labels: str) -> Requirements:
    return Requirements(labels=labels)


def test_those_who_wait_are_found_by_the_rarest_of_their_labels() -> None:
    waiting = WaitingWorkers()
    fleet = [presence(f"w{n}", "acme", site=f"s{n % 3}", host=f"h{n}") for n in range(30)]
    for each in fleet:
        waiting.add(each)
    waiting.add(presence("shared", SHARED_POOL, site="s0", host="h4"))

    assert waiting.candidates("acme", labelled(site="s1", host="h4")) == [fleet[4]]
    assert waiting.candidates("acme", labelled(site="s1")) == fleet[1::3]
    assert waiting.candidates("acme", labelled(site="nowhere", host="h4")) == []
    assert len(waiting.candidates("acme", Requirements())) == 30
    either = Requirements(where="host in (h9, h4, none), !old", labels={"site": "s1"})
    assert waiting.candidates("acme", either) == [fleet[9], fleet[4]]
    assert len(waiting.candidates("acme", Requirements(where="!old, host"))) == 30

    waiting.add(fleet[0])
    assert waiting.candidates("acme", Requirements())[-1] is fleet[0]
    for each in fleet:
        waiting.remove(each)
        waiting.remove(each)
    assert waiting.candidates("acme", Requirements()) == []
    assert waiting.candidates(SHARED_POOL, labelled(host="h4")) != []


def test_an_idle_worker_is_chosen_before_one_with_more_slots(core: Core, alice: Actor) -> None:
    big, small = (
        core.worker(alice.org_id, "big", slots=8),
        core.worker(alice.org_id, "small", slots=1),
    )
    polls = [big.poll_in_background(), small.poll_in_background()]
    for worker in (big, small):
        found = core.fleet.find(worker.actor.worker_id)
        assert found
        found.busy = 1 if worker is big else 0

    chosen = core.fleet.choose_waiting(alice.org_id, Requirements())

    assert chosen is not None
    assert chosen.name == "small"
    core.dispatch.close()
    gevent.joinall(polls)
