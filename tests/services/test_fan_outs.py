"""Templates that run on each of several workers: one automation a worker, each made once."""

from __future__ import annotations

import contextlib

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import Conflict, InvalidInput
from opsicle.server.access.actor import Actor
from opsicle.server.automations.shown_targets import targets_log
from opsicle.server.store.automations import AutomationFilter
from opsicle.wire.starts import ResumeRequest, StartedBy, StarterKind
from tests.services.core import Core
from tests.services.fanning import Fanning, each_source
from tests.services.scheduling import record, started


def test_each_matching_worker_gets_just_its_own_part(fanning: Fanning) -> None:
    fanning.push().run()

    parts = {name: fanning.take(name) for name in ("e3", "e1", "e2")}

    for name, work in parts.items():
        assert work.automation_id == fanning.part(name).id
    assert fanning.workers["other"].poll().work == ()
    part = fanning.part("e1")
    assert (part.target, part.depth) == ("e1", 0)
    assert part.started_by == StartedBy(StarterKind.FAN_OUT, "patch", fanning.automation.id)
    assert part.values == fanning.now.values
    assert (fanning.now.state, fanning.now.jobs) == ("running", [])


def test_it_succeeds_once_all_have(fanning: Fanning) -> None:
    fanning.push().run().carry_out("e1").carry_out("e2")
    assert fanning.now.state == "running"

    fanning.carry_out("e3")

    assert fanning.now.state == "succeeded"
    assert [(each.name, each.state, each.exit_code) for each in fanning.targets] == [
        ("e1", "succeeded", 0),
        ("e2", "succeeded", 0),
        ("e3", "succeeded", 0),
    ]
    steps = record(fanning.core, fanning.actor, f"automations/{fanning.automation.id}")
    assert [verb for verb, _ in steps] == ["run", "start", "finish"]


@pytest.mark.parametrize(
    ("state", "verb"),
    [
        ("failed", "failed"),
        ("timed_out", "timed out"),
        ("cancelled", "was cancelled"),
        ("unknown", "ended unknown"),
    ],
)
def test_it_fails_if_one_has_not_succeeded_and_says_which(
    fanning: Fanning, state: str, verb: str
) -> None:
    fanning.push().run().carry_out("e1").carry_out("e2", state, 3).carry_out("e3")

    assert fanning.now.state == "failed"
    assert fanning.now.explanation == f"it {verb} on e2"
    assert fanning.states == {"e1": "succeeded", "e2": state, "e3": "succeeded"}


def test_its_log_is_how_each_has_ended(fanning: Fanning) -> None:
    fanning.push("labels: {role: edge}, parallel: 1").run()
    assert targets_log(fanning.targets) == ""

    fanning.carry_out("e1", "failed", 3)

    assert {line[24:] for line in targets_log(fanning.targets).splitlines()} == {
        "e1 failed, exit code 3",
        "e2 cancelled: more machines have failed than its template allows",
        "e3 cancelled: more machines have failed than its template allows",
    }


def test_as_many_as_parallel_says_run_at_once(fanning: Fanning) -> None:
    fanning.push("where: role=edge, parallel: 1").run()
    assert len(started(fanning.core, fanning.actor)) == 2

    fanning.turns_at_once().carry_out("e1")

    assert fanning.states == {"e1": "succeeded", "e2": "queued", "e3": "queued"}
    assert [each.automation_id is not None for each in fanning.targets] == [True, True, False]


def test_after_too_many_failures_no_further_one_begins(fanning: Fanning) -> None:
    fanning.push("labels: {role: edge}, parallel: 1, maxFailures: 1").run()

    fanning.carry_out("e1", "failed", 1).carry_out("e2", "failed", 1)

    assert fanning.now.state == "failed"
    assert fanning.states == {"e1": "failed", "e2": "failed", "e3": "cancelled"}
    assert fanning.now.explanation == (
        "it failed on e1, e2; "
        "it did not begin on e3: more machines have failed than its template allows"
    )
    assert len(started(fanning.core, fanning.actor)) == 3


def test_what_its_workers_are_is_bound_when_it_is_triggered(core: Core, alice: Actor) -> None:
    fanning = Fanning(core, alice).push()
    fanning.automation = core.run(alice, "patch")
    late = core.worker(alice.org_id, "late", role="edge")
    late.poll()

    fanning.turn()

    assert list(fanning.states) == ["e1", "e2", "e3"]
    assert late.poll().work == ()


def test_nothing_to_run_on_is_said_at_the_trigger(core: Core, alice: Actor) -> None:
    core.push_again(alice, each_source())
    core.worker(core.org("other"), "foreign", role="edge").poll()
    core.allow_shared(alice.org_id)
    core.shared_worker(alice.org_id, "shared", role="edge").poll()

    with pytest.raises(Conflict, match="runs on each worker that fits, and none does"):
        core.run(alice, "patch")

    assert started(core, alice) == []


def test_a_worker_that_goes_away_keeps_its_part_waiting_and_says_so(fanning: Fanning) -> None:
    fanning.push().run().carry_out("e1").carry_out("e2")

    fanning.workers["e3"].is_draining = True
    fanning.workers["e3"].poll()
    fanning.turn()

    assert fanning.part("e3").waiting_reason == "it is for e3 alone: e3 is draining"
    assert fanning.now.state == "running"
    fanning.core.automations.cancel(fanning.actor, fanning.part("e3").id)
    assert fanning.turn().now.state == "failed"


def test_a_worker_of_the_same_name_that_was_enrolled_since_does_not_get_the_part(
    fanning: Fanning,
) -> None:
    fanning.push().run()
    core, old = fanning.core, fanning.workers["e3"].actor.worker_id
    core.database.write(
        lambda db: db.execute("UPDATE workers SET state = 'revoked' WHERE id = ?", (old,))
    )
    core.fleet.revoke(old)

    again = core.worker(fanning.actor.org_id, "e3", role="edge")

    assert again.poll().work == ()
    assert fanning.part("e3").state == "queued"
    assert fanning.part("e3").waiting_reason == "it is for e3 alone: that is not there any more"


def test_a_cancel_goes_down_to_all_and_makes_no_more(fanning: Fanning) -> None:
    fanning.push("labels: {role: edge}, parallel: 2").run()
    running = fanning.take("e1")

    fanning.core.automations.cancel(fanning.actor, fanning.automation.id)
    fanning.turn()

    assert fanning.states == {"e1": "running", "e2": "cancelled", "e3": "cancelled"}
    assert fanning.part("e1").is_cancel_requested
    assert fanning.now.state == "running"
    fanning.workers["e1"].finish(running, "cancelled", None)
    assert fanning.turn().now.state == "cancelled"
    assert len(started(fanning.core, fanning.actor)) == 3


def test_a_server_that_dies_between_any_two_steps_makes_each_part_once(
    fanning: Fanning, monkeypatch: pytest.MonkeyPatch
) -> None:
    fanning.push()
    fanning.automation = fanning.core.run(fanning.actor, "patch")

    deaths = []

    def dies(*_: object) -> None:
        deaths.append(place)
        raise RuntimeError("killed here")

    for place in ("fan_outs.insert", "automations.insert", "fan_outs.claim", "audit.append"):
        with monkeypatch.context() as killed:
            killed.setattr(f"opsicle.server.store.{place}", dies)
            for _ in range(2):
                with contextlib.suppress(RuntimeError):
                    fanning.core.services.fan_outs.turn()
        assert place in deaths, "the turns did not come to this step"
        again = fanning.core = fanning.core.restart()
        for worker in fanning.workers.values():
            worker.core = again
    try:
        fanning.poll().turn().turns_at_once().turn()
        assert len(started(again, fanning.actor)) == 4
        fanning.carry_out("e1").carry_out("e2").carry_out("e3")
        assert fanning.now.state == "succeeded"
    finally:
        again.close()


def test_what_runs_on_several_is_given_to_no_worker_that_offers_what_it_asks(
    fanning: Fanning,
) -> None:
    fanning.push()
    liar = fanning.workers["other"]
    liar.runtimes = ("subprocess", "none")
    liar.poll()
    waiting = liar.poll_in_background()

    fanning.automation = fanning.core.run(fanning.actor, "patch")

    assert liar.poll().work == ()
    waiting.join()
    assert waiting.value.work == ()


def test_its_concurrency_group_is_held_by_the_whole(fanning: Fanning) -> None:
    fanning.push("labels: {role: edge}", "concurrency: {group: patching}").run()
    second = fanning.core.run(fanning.actor, "patch")

    assert set(fanning.states.values()) == {"queued"}
    assert "behind 1 other of group patching" in second.waiting_reason
    fanning.carry_out("e1").carry_out("e2").carry_out("e3")

    assert fanning.now.state == "succeeded"
    assert fanning.core.state(fanning.actor, second) == "running"


def test_parts_count_towards_the_limits_of_the_org(fanning: Fanning) -> None:
    fanning.push()
    fanning.core.database.write(lambda db: db.execute("UPDATE orgs SET max_waiting = 1"))

    fanning.run()
    assert sum(each.automation_id is not None for each in fanning.targets) == 1

    fanning.carry_out("e1").carry_out("e2").carry_out("e3")
    assert fanning.now.state == "succeeded"


def test_resuming_goes_on_where_it_has_not_succeeded(fanning: Fanning) -> None:
    fanning.push().run().carry_out("e1").carry_out("e2", "failed", 1).carry_out("e3", "unknown")
    core, alice, old = fanning.core, fanning.actor, fanning.automation
    with pytest.raises(Conflict, match="nobody can say how it ended on e3"):
        core.services.resumes.resume(alice, old.id, ResumeRequest())
    with pytest.raises(InvalidInput, match="first phase"):
        core.services.resumes.resume(alice, old.id, ResumeRequest(phase_from="act"))

    fanning.automation = core.services.resumes.resume(
        alice, old.id, ResumeRequest(accept_unknown=True)
    )
    fanning.turn()

    assert fanning.automation.resumed_from == old.id
    assert list(fanning.states) == ["e2", "e3"]
    with pytest.raises(Conflict, match="goes on from"):
        core.services.resumes.resume(alice, old.id, ResumeRequest(accept_unknown=True))


def test_a_part_is_run_again_on_its_own_worker_only_and_never_resumed(fanning: Fanning) -> None:
    fanning.push().run().carry_out("e1").carry_out("e2", "failed", 1).carry_out("e3")
    part = fanning.part("e2")
    with pytest.raises(Conflict, match=f"is the part of {fanning.automation.id} on e2"):
        fanning.core.services.resumes.resume(fanning.actor, part.id, ResumeRequest())

    again = fanning.core.automations.rerun(fanning.actor, part.id)

    assert [each.name for each in again.targets] == ["e2"]


def test_a_plan_runs_once_and_hands_its_outputs_to_each_part(fanning: Fanning) -> None:
    plan = 'plan: [{name: look, outputs: [found], commands: ["true"]}]'
    source = each_source("labels: {role: edge}", plan).replace("act, outputs: [found]", "act")
    fanning.push()
    fanning.core.push_again(fanning.actor, source)
    fanning.automation = fanning.core.run(fanning.actor, "patch")
    planned = fanning.take("e1")
    assert planned.is_plan

    fanning.workers["e1"].finish(planned)
    fanning.turn()

    assert not fanning.take("e2").is_plan
    assert set(fanning.states) == {"e1", "e2", "e3"}


def test_a_template_that_calls_one_waits_for_all_its_parts(fanning: Fanning) -> None:
    fanning.push()
    source = each_source(name="outer").replace("  runsOn: {each: {labels: {role: edge}}}\n", "")
    source = source.replace(
        '{name: act, outputs: [found], commands: ["true"]}',
        "{name: act, call: {template: patch}}",
    )
    core, alice = fanning.core, fanning.actor
    core.push_again(alice, source)
    outer = core.run(alice, "outer")
    holder = core.worker(alice.org_id, "holder")
    [work] = holder.poll().work
    holder.start(work)
    holder.pause(work, 0)
    core.services.call_starts.turn()
    [called] = core.automations.get(alice, outer.id).phases[0].calls
    fanning.automation = core.automations.get(alice, called.automation_id or "")

    fanning.turn().carry_out("e1").carry_out("e2").carry_out("e3")

    [again] = holder.poll().work
    assert again.automation_id == outer.id
    assert fanning.now.state == "succeeded"


def test_another_org_sees_nothing_of_it(
    fanning: Fanning,
) -> None:
    fanning.push().run()
    core = fanning.core
    eve = core.person(core.org("other"), "eve", BuiltInRole.ADMIN)

    listed = core.automations.list_newest(eve, AutomationFilter(), "", 10)

    assert listed.items == []
