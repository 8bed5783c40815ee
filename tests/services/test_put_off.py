"""Work that a worker gives back for want of room: who gets it then, and when."""

from __future__ import annotations

from opsicle.server.access.actor import Actor
from tests.services.core import Core


def test_what_a_worker_has_no_room_for_says_so_and_is_offered_it_ever_less_often(
    core: Core, alice: Actor
) -> None:
    worker = core.worker(alice.org_id, "w1")
    asked = core.run(alice, "hello")
    offered_after = []
    for _ in range(3):
        waited = 0
        while not (work := worker.poll().work):
            core.clock.advance(5)
            waited += 5
        offered_after.append(waited)
        worker.refuse_for_room(work[0])

    assert offered_after == [0, 30, 60]
    shown = core.automations.get(alice, asked.id)
    assert shown.state == "queued"
    assert shown.waiting_reason.startswith(
        "w1 gave it back: its disk does not take the files: full; once more in "
    )


def test_what_a_worker_has_no_room_for_holds_up_nothing_else_and_goes_to_who_has_room(
    core: Core, alice: Actor
) -> None:
    worker = core.worker(alice.org_id, "w1")
    first, second = core.run(alice, "hello"), core.run(alice, "hello")
    [work] = worker.poll().work
    worker.refuse_for_room(work)

    [other] = worker.poll().work
    [again] = core.worker(alice.org_id, "w2").poll().work

    assert (other.automation_id, again.automation_id) == (second.id, first.id)
