"""Phases that call other templates: made once, awaited without a slot, ended with their caller."""

from __future__ import annotations

import gevent
import pytest

from opsicle.domain.errors import Conflict, InvalidInput, OpsicleError
from opsicle.server.access.actor import Actor
from opsicle.wire.jobs import PhaseOutput, PhaseReport
from opsicle.wire.starts import ResumeRequest, StartedBy, StarterKind
from tests.services.core import Core
from tests.services.scheduling import record, started
from tests.services.template_calls import ONE, TWO, Calling, caller, child, push_one


@pytest.fixture
def calling(core: Core, alice: Actor) -> Calling:
    """Return a template that calls two others; nothing of it runs yet."""
    core.push_again(alice, child())
    core.push_again(alice, child("other"))
    core.push_again(alice, caller(TWO, phase=", outputs: []"))
    return Calling(core, alice)


def test_a_call_runs_its_templates_side_by_side_without_its_own_slot_and_goes_on(
    calling: Calling,
) -> None:
    calling.run().begin().call().turn()

    first, second = calling.child(0), calling.child(1)
    assert (first.values, second.values) == ({"who": "db1", "count": 3}, {"who": "ams", "count": 1})
    assert first.started_by == StartedBy(StarterKind.CALL, "caller", calling.automation.id)
    assert first.depth == 1
    assert calling.now.state == "paused"
    assert calling.now.pause_id is None
    [work] = calling.holder.poll().work  # the caller's slot is free
    assert work.automation_id == first.id
    calling.holder.start(work)
    calling.holder.finish(work)
    calling.carry_out()

    resume = calling.turn().go_on()

    assert (resume["verdict"], resume["phase"]) == ("continue", 1)
    assert resume["reason"] == "what phase both has called succeeded"


def test_outputs_come_back_that_the_phase_names(core: Core, alice: Actor) -> None:
    calling = push_one(core, alice, phase=", outputs: [found]").run().begin().call().turn()
    calling.carry_out(found="/srv/a")

    resume = calling.turn().go_on()

    assert resume["outputs"] == {"found": "/srv/a"}


def test_a_masked_output_is_not_passed_on_to_what_is_called(core: Core, alice: Actor) -> None:
    calling = push_one(core, alice).run().begin().call(is_masked=True).turn()

    assert "the output host holds a secret" in calling.called[0].reason
    resume = calling.go_on()
    assert resume["verdict"] == "fail"
    assert "host holds a secret" in str(resume["reason"])


def test_a_masked_output_does_not_come_back(core: Core, alice: Actor) -> None:
    calling = push_one(core, alice, phase=", outputs: [found]").run().begin().call().turn()
    calling.carry_out(masked=True)

    resume = calling.turn().go_on()

    assert resume["verdict"] == "fail"
    assert resume["reason"] == "the output found holds a secret, so it is not passed on"


@pytest.mark.parametrize("state", ["failed", "timed_out", "cancelled", "unknown"])
def test_a_child_that_did_not_succeed_fails_the_phase(core: Core, alice: Actor, state: str) -> None:
    calling = push_one(core, alice).run().begin().call().turn()
    calling.carry_out(state)

    resume = calling.turn().go_on()

    assert resume["verdict"] == "fail"
    assert resume["reason"] == f"child ended {state} ({calling.called[0].automation_id})"


def test_a_report_that_comes_twice_and_turns_at_once_make_one_set_of_children(
    calling: Calling,
) -> None:
    calling.run().begin().call()
    calling.call()

    gevent.joinall([gevent.spawn(calling.turn) for _ in range(5)], raise_error=True)
    calling.call()
    calling.turn()

    assert len(started(calling.core, calling.actor)) == 3


def test_a_server_that_dies_while_it_makes_a_child_makes_it_once(
    calling: Calling, monkeypatch: pytest.MonkeyPatch
) -> None:
    calling.run().begin().call()

    def dies(*_: object) -> None:
        raise RuntimeError("killed here")

    with monkeypatch.context() as killed:
        killed.setattr("opsicle.server.store.automations.insert", dies)
        calling.turn()
    assert [each.state for each in calling.called] == ["due", "due"]

    again = calling.core = calling.core.restart()
    try:
        calling.turn().turn()
        assert len(started(again, calling.actor)) == 3
    finally:
        again.close()


def test_after_a_failure_people_may_have_it_called_anew(core: Core, alice: Actor) -> None:
    calling = push_one(core, alice, phase=", onFailure: ask").run().begin().call().turn()
    calling.carry_out("failed")
    calling.turn().go_on()
    calling.holder.start(calling.work)

    failed = PhaseReport(name="both", state="failed", explanation="child ended failed")
    before = PhaseReport(name="before", state="succeeded")
    calling.pause(before, failed, PhaseReport(name="after"))

    assert calling.now.pause_id
    assert "waits for" in calling.now.waiting_reason
    assert len(calling.turn().called) == 1  # nobody has decided: nothing is called


def test_a_cancel_goes_down_to_what_runs_and_to_what_is_yet_to_be_made(calling: Calling) -> None:
    calling.run().begin().call().turn()
    core, alice = calling.core, calling.actor
    worker = core.worker(alice.org_id, "c1")
    [work] = worker.poll().work
    worker.start(work)

    core.automations.cancel(alice, calling.automation.id)
    calling.turn()

    assert calling.now.state == "cancelled"
    running = next(
        each for each in (calling.child(0), calling.child(1)) if each.id == work.automation_id
    )
    waiting = next(each for each in (calling.child(0), calling.child(1)) if each.id != running.id)
    assert (running.is_cancel_requested, waiting.state) == (True, "cancelled")
    assert ("cancel", "server") in record(core, alice, f"automations/{waiting.id}")


def test_what_is_cancelled_before_its_child_is_made_makes_none(calling: Calling) -> None:
    calling.run().begin().call()

    calling.core.automations.cancel(calling.actor, calling.automation.id)
    calling.turn().turn()

    assert len(started(calling.core, calling.actor)) == 1
    assert {each.state for each in calling.called} == {"refused"}


def test_the_version_of_the_moment_of_the_trigger_is_run(core: Core, alice: Actor) -> None:
    calling = push_one(core, alice).run()
    core.push_again(alice, child("child", "priority: 9"))

    calling.begin().call().turn()

    assert (calling.child().version, calling.child().priority) == (1, 5)


def test_a_child_that_was_put_in_the_place_of_another_lets_nothing_go_on(
    calling: Calling,
) -> None:
    calling.run().begin().call().turn()
    core, alice = calling.core, calling.actor
    first, second = (each.automation_id for each in calling.called)
    calling.carry_out()
    calling.carry_out("failed")

    def swap(db) -> None:
        db.execute("UPDATE calls SET automation_id = NULL WHERE automation_id = ?", (second,))
        db.execute("UPDATE calls SET automation_id = 'x' WHERE automation_id = ?", (first,))
        db.execute("UPDATE calls SET automation_id = ? WHERE position = 1", (first,))
        db.execute("UPDATE automations SET state = 'succeeded' WHERE id = ?", (second,))
        db.execute("UPDATE calls SET automation_id = ? WHERE position = 0", (second,))

    core.database.write(swap)
    calling.turn()

    assert calling.holder.poll().work == ()
    assert calling.now.state == "cancelled"
    assert "did not go on" in core.automations.get(alice, calling.automation.id).explanation


def test_an_end_of_a_child_that_only_its_row_knows_lets_nothing_go_on(
    core: Core, alice: Actor
) -> None:
    calling = push_one(core, alice).run().begin().call().turn()
    core.database.write(
        lambda db: db.execute(
            "UPDATE automations SET state = 'succeeded' WHERE id = ?",
            (calling.called[0].automation_id,),
        )
    )

    assert calling.turn().holder.poll().work == ()

    assert calling.now.state == "cancelled"
    assert "by the record" in calling.now.explanation


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (caller("{template: gone}"), "there is no template gone"),
        (caller("{template: child}"), "values do not fit"),
        (caller("{template: child, values: {who: x, count: much}}"), "values do not fit"),
        (caller(ONE, phase=", outputs: [nothing]"), "none of the called templates has an output"),
        (caller(f"[{ONE}, {ONE}]", phase=", outputs: [found]"), "more than one of the called"),
        (caller("{template: mfa, values: {who: x}}"), "asks for a fresh code"),
        (caller("{template: group, values: {who: x}}", "concurrency: {group: g}"), "group g"),
    ],
)
def test_what_could_never_be_called_is_refused_at_the_trigger(
    core: Core, alice: Actor, source: str, message: str
) -> None:
    core.push_again(alice, child())
    core.push(alice, child("mfa", "requireMfa: true"))
    core.push_again(alice, child("group", "concurrency: {group: g}"))
    core.push(alice, source)

    with pytest.raises(OpsicleError, match=message):
        core.run(alice, "caller")


def test_loops_are_refused_at_the_push_and_at_the_trigger(core: Core, alice: Actor) -> None:
    core.push_again(alice, caller("{template: b}", name="a"))

    with pytest.raises(InvalidInput, match="b → a → b"):
        core.push_again(alice, caller("{template: a}", name="b"))

    core.push(alice, caller("{template: a}", name="b"))
    with pytest.raises(Conflict, match="it would call itself: a → b → a"):
        core.run(alice, "a")


def test_what_is_deeper_than_five_is_refused_at_the_trigger(core: Core, alice: Actor) -> None:
    core.push_again(alice, child())
    for number in range(6):
        below = "child, values: {who: x}" if number == 0 else f"d{number - 1}"
        core.push_again(alice, caller(f"{{template: {below}}}", name=f"d{number}"))

    assert core.run(alice, "d4")
    with pytest.raises(Conflict, match="deeper than 5"):
        core.run(alice, "d5")


def test_a_caller_that_is_cancelled_while_its_child_is_being_made_gets_none(
    calling: Calling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cancel comes between the look at what is due and the transaction that makes it."""
    calling.run().begin().call()
    core, create = calling.core, calling.core.automations.create

    def late(*given: object, **more: object) -> object:
        core.automations.cancel(calling.actor, calling.automation.id)
        return create(*given, **more)

    monkeypatch.setattr(core.automations, "create", late)
    calling.turn()

    assert len(started(core, calling.actor)) == 1


def test_who_resumes_what_failed_at_a_call_has_it_called_anew_in_the_newest_version(
    core: Core, alice: Actor
) -> None:
    calling = push_one(core, alice).run().begin().call().turn()
    calling.carry_out("failed")
    calling.turn().go_on()
    calling.holder.start(calling.work)
    host = PhaseOutput(name="host", value="db1")
    before = PhaseReport(name="before", state="succeeded", outputs=(host,))
    failed = PhaseReport(name="both", state="failed")
    calling.end("failed", before, failed, PhaseReport(name="after", state="skipped"))
    core.push_again(alice, child("child", "priority: 9"))

    made = core.services.resumes.resume(alice, calling.automation.id, ResumeRequest())
    [calling.work] = calling.holder.poll().work
    calling.automation = made
    calling.holder.start(calling.work)
    calling.call().turn()

    assert (calling.child().version, calling.child().values["who"]) == (2, "db1")
