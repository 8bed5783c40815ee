"""Labels decide what a worker is handed.

Those that people granted, not those that it says of itself.
"""

from __future__ import annotations

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import Conflict, InvalidInput, NotAllowed
from opsicle.server.access.actor import Actor
from opsicle.server.workers.service import Workers
from opsicle.wire.fleet_api import UpdateWorkerRequest
from tests.services.core import HELLO, Core

AMS = HELLO.replace("  template:", "  runsOn: {labels: {site: ams}}\n  template:").replace(
    "hello}", "ams}"
)
ANYBODY = AMS.replace("{site: ams}}", "{site: ams}, acceptClaimed: true}").replace(
    "ams}\nspec", "anybody}\nspec"
)


@pytest.fixture
def workers(core: Core) -> Workers:
    return core.services.workers


def grant(workers: Workers, alice: Actor, **labels: str) -> None:
    workers.grant_labels(alice, "w1", UpdateWorkerRequest(labels=labels))


def test_what_a_worker_only_says_of_itself_matches_nothing_and_the_reason_says_so(
    core: Core, alice: Actor
) -> None:
    core.push(alice, AMS)
    worker = core.worker(alice.org_id, "w1")
    worker.labels = {"site": "ams"}

    worker.poll()
    automation = core.run(alice, "ams")

    assert worker.poll().work == ()
    reason = core.automations.get(alice, automation.id).waiting_reason
    assert reason.startswith("no connected worker was granted site=ams: w1 only says so")


def test_a_template_may_accept_what_workers_say_of_themselves(core: Core, alice: Actor) -> None:
    core.push(alice, ANYBODY)
    worker = core.worker(alice.org_id, "w1")
    worker.labels = {"site": "ams"}

    core.run(alice, "anybody")

    assert len(worker.poll().work) == 1


def test_of_a_label_that_was_granted_no_other_value_can_be_claimed(
    core: Core, alice: Actor
) -> None:
    core.push(alice, ANYBODY)
    worker = core.worker(alice.org_id, "w1", site="fra")
    worker.labels = {"site": "ams"}

    core.run(alice, "anybody")

    assert worker.poll().work == ()


def test_a_label_that_is_granted_later_counts_once_the_worker_knows_of_it(
    core: Core, alice: Actor, workers: Workers
) -> None:
    core.push(alice, AMS)
    worker = core.worker(alice.org_id, "w1")
    automation = core.run(alice, "ams")
    poll = worker.poll_in_background()

    grant(workers, alice, site="ams")

    reply = poll.get(timeout=60)
    assert (reply.granted, reply.work) == ({"site": "ams"}, ())
    [work] = worker.poll().work
    assert work.automation_id == automation.id


def test_a_label_that_is_taken_away_counts_no_more_whatever_the_worker_says(
    core: Core, alice: Actor, workers: Workers
) -> None:
    core.push(alice, AMS)
    worker = core.worker(alice.org_id, "w1", site="ams")
    worker.poll()
    grant(workers, alice)

    core.run(alice, "ams")

    assert worker.poll().work == ()


def test_a_worker_that_leaves_out_its_labels_at_a_restart_keeps_what_it_was_granted(
    core: Core, alice: Actor
) -> None:
    core.push(alice, AMS)
    worker = core.worker(alice.org_id, "w1", site="ams")
    worker.labels = {}

    core.run(alice, "ams")

    assert worker.poll().granted == {"site": "ams"}
    assert len(worker.poll().work) == 1


def test_a_worker_too_old_to_hear_of_granted_labels_is_not_handed_what_it_would_refuse(
    core: Core, alice: Actor, workers: Workers
) -> None:
    core.push(alice, AMS)
    old = core.worker(alice.org_id, "w1", site="ams")
    old.labels, old.clock_offset = {}, None
    core.run(alice, "ams")

    poll = old.poll_in_background()

    assert not poll.ready()  # else it would be told again and again

    core.dispatch.close()
    assert poll.get(timeout=60).work == ()


def test_labels_are_granted_by_those_who_manage_workers_and_stand_in_the_record(
    core: Core, alice: Actor, workers: Workers
) -> None:
    bob = core.person(alice.org_id, "bob", BuiltInRole.MEMBER)
    core.worker(alice.org_id, "w1", site="ams")

    with pytest.raises(NotAllowed):
        workers.grant_labels(bob, "w1", UpdateWorkerRequest(labels={}))
    with pytest.raises(InvalidInput):
        grant(workers, alice, **{"a b": "c"})

    grant(workers, alice, site="fra")
    query = "SELECT data FROM audit_entries WHERE verb = 'grant_labels'"

    [(data,)] = core.database.read(lambda db: db.execute(query).fetchall())
    assert (data.count("ams"), data.count("fra")) == (1, 1)

    workers.revoke(alice, "w1")
    with pytest.raises(Conflict):
        grant(workers, alice)
