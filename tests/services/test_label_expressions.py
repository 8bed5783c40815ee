"""What a template asks of labels by an expression decides who is handed it."""

from __future__ import annotations

from typing import Any

from opsicle.server.access.actor import Actor
from opsicle.wire.fleet_api import UpdateWorkerRequest
from tests.services.core import HELLO, Core

NOT_OLD = HELLO.replace(
    "  template:", '  runsOn: {where: "site in (ams, fra), !old"}\n  template:'
).replace("hello}", "placed}")

ALTER = """
    UPDATE automations SET requirements = json_set(requirements, '$.where', ?) WHERE id = ?
"""


def reason(core: Core, alice: Actor, automation: Any) -> str:
    return core.automations.get(alice, automation.id).waiting_reason


def test_a_worker_that_fulfils_an_expression_is_handed_the_work(core: Core, alice: Actor) -> None:
    core.push(alice, NOT_OLD)
    london = core.worker(alice.org_id, "w1", site="lon")
    london.poll()

    automation = core.run(alice, "placed")

    assert london.poll().work == ()
    assert reason(core, alice, automation) == ("no connected worker fulfils `site in (ams, fra)`")
    frankfurt = core.worker(alice.org_id, "w2", site="fra")
    [work] = frankfurt.poll().work
    assert work.automation_id == automation.id
    frankfurt.start(work)


def test_a_trigger_finds_the_worker_whose_poll_waits(core: Core, alice: Actor) -> None:
    core.push(alice, NOT_OLD)
    polls = [
        core.worker(alice.org_id, name, **labels).poll_in_background()
        for name, labels in (
            ("w1", {}),
            ("w2", {"site": "fra", "old": "x"}),
            ("w3", {"site": "ams"}),
        )
    ]

    core.run(alice, "placed")

    assert len(polls[2].get(timeout=60).work) == 1
    assert not polls[0].ready()
    assert not polls[1].ready()


def test_a_worker_is_excluded_by_what_it_says_and_as_soon_as_it_is_granted(
    core: Core, alice: Actor
) -> None:
    core.push(alice, NOT_OLD)
    worker = core.worker(alice.org_id, "w1", site="ams")
    worker.labels = {"site": "ams", "old": "says-so"}
    first = core.run(alice, "placed")
    assert worker.poll().work == ()
    assert reason(core, alice, first) == "no connected worker fulfils `!old`"

    worker.labels = {"site": "ams"}
    update = UpdateWorkerRequest(labels={"site": "ams", "old": "x"})
    core.services.workers.grant_labels(alice, "w1", update)

    assert worker.poll().work == ()
    assert worker.poll().work == ()


def test_an_expression_that_was_altered_hands_out_nothing(core: Core, alice: Actor) -> None:
    core.push(alice, NOT_OLD)
    worker = core.worker(alice.org_id, "w1")
    altered, unreadable = core.run(alice, "placed"), core.run(alice, "placed")

    for automation, where in ((altered, "!old"), (unreadable, "in (")):
        core.database.write(lambda db, given=(where, automation.id): db.execute(ALTER, given))
    core.jobs.refresh_queue()

    assert worker.poll().work == ()
    assert core.state(alice, altered) == core.state(alice, unreadable) == "cancelled"
