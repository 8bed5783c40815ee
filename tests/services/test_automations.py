"""What people do with automations: trigger them once, cancel what they may, see nothing of others.

Alice runs.
"""

from __future__ import annotations

import msgspec
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import Conflict, LeaseLost, NotAllowed, NotFound
from opsicle.domain.rights import Rights, grants_of
from opsicle.domain.rules import parse_rule
from opsicle.server.access.actor import Actor
from opsicle.server.automations import recent_runs
from opsicle.server.store.automations import AutomationFilter
from opsicle.wire.jobs import Outcome, PhaseReport
from opsicle.wire.user_api import RunRequest
from opsicle.wire.worker_api import FinishRequest
from tests.services.core import HELLO, Core


def test_the_same_idempotency_key_triggers_once(core: Core, alice: Actor) -> None:
    request = RunRequest(template="hello", values={"who": "a"})
    first = core.automations.create(alice, request, "key-1")

    assert core.automations.create(alice, request, "key-1").id == first.id
    with pytest.raises(Conflict):
        core.automations.create(alice, RunRequest(template="hello", values={"who": "b"}), "key-1")


def test_a_template_that_asks_for_approval_never_runs_unapproved(core: Core, alice: Actor) -> None:
    asks = HELLO.replace("name: hello", "name: careful").replace(
        "  variables", "  approvalPolicy: {policyRef: p}\n  variables"
    )
    core.push(alice, asks)

    with pytest.raises(Conflict, match="policy p"):
        core.run(alice, "careful")
    assert core.automations.list_newest(alice, AutomationFilter(), "", 10).items == []


def test_automations_in_one_of_several_states_are_one_list(core: Core, alice: Actor) -> None:
    runs = [core.run(alice) for _ in range(6)]
    for run in runs[::2]:
        core.automations.cancel(alice, run.id)

    def listed(state: str, cursor: str = "") -> list[str]:
        page = core.automations.list_newest(alice, AutomationFilter(state), cursor, 4)
        return [each.id for each in page.items]

    newest_first = [run.id for run in reversed(runs)]
    assert listed("queued,cancelled") == newest_first[:4]
    assert listed("queued,cancelled", newest_first[3]) == newest_first[4:]
    assert listed("running,cancelled") == newest_first[1::2]
    assert listed("cancelled,,cancelled") == newest_first[1::2]


def test_a_rerun_is_a_new_automation_that_names_the_old_one(core: Core, alice: Actor) -> None:
    old = core.run(alice, who="you")
    new = core.automations.rerun(alice, old.id)

    assert (new.rerun_of, new.values, new.version) == (old.id, {"who": "you"}, old.version)
    assert new.id != old.id
    core.automations.cancel(alice, old.id)
    later = core.automations.get(alice, old.id).rerun_by
    assert [each.automation_id for each in later] == [new.id]


def test_an_automation_of_another_org_looks_absent(core: Core, alice: Actor) -> None:
    mallory = core.person(core.org("globex"), "mallory", BuiltInRole.ADMIN)
    automation = core.run(alice)

    for call in (
        core.automations.get,
        core.automations.cancel,
        core.automations.rerun,
        core.automations.newest_job,
    ):
        with pytest.raises(NotFound):
            call(mallory, automation.id)


def test_what_is_over_cannot_be_cancelled(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    automation = core.run(alice)
    [work] = worker.poll().work
    worker.start(work)
    worker.finish(work)

    with pytest.raises(Conflict, match="already over: it succeeded"):
        core.automations.cancel(alice, automation.id)


def test_a_member_cancels_only_what_is_theirs_and_an_operator_anything(
    core: Core, alice: Actor
) -> None:
    mallory = core.person(alice.org_id, "mallory", BuiltInRole.MEMBER)
    hers, his = core.run(alice), core.run(mallory)

    with pytest.raises(NotAllowed):
        core.automations.cancel(mallory, hers.id)
    assert core.automations.cancel(mallory, his.id).state == "cancelled"
    assert core.automations.cancel(alice, hers.id).state == "cancelled"


def test_cancelling_before_the_start_means_it_never_starts(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    automation = core.run(alice)

    [work] = worker.poll().work

    assert core.automations.cancel(alice, automation.id).state == "cancelled"
    with pytest.raises(LeaseLost):
        worker.start(work)
    assert work.job_id in worker.poll().drop


def test_cancelling_a_running_automation_reaches_the_worker_through_its_open_poll(
    core: Core, alice: Actor
) -> None:
    worker = core.worker(alice.org_id, "w1")
    automation = core.run(alice)
    [work] = worker.poll().work
    worker.start(work)

    poll = worker.poll_in_background()

    assert core.automations.cancel(alice, automation.id).is_cancel_requested
    assert poll.get(timeout=60).cancel == (work.job_id,)

    worker.finish(work, "cancelled", None)
    assert core.state(alice, automation) == "cancelled"


def test_a_cancel_is_repeated_in_later_polls_without_making_them_spin(
    core: Core, alice: Actor
) -> None:
    worker = core.worker(alice.org_id, "w1")
    automation = core.run(alice)
    [work] = worker.poll().work
    worker.start(work)

    core.automations.cancel(alice, automation.id)

    assert worker.poll(30).cancel == (work.job_id,)

    held = worker.poll_in_background()
    assert not held.ready()

    core.dispatch.close()
    assert held.get(timeout=60).cancel == (work.job_id,)


def test_how_the_newest_automations_of_each_template_went_is_listed_for_who_may_see_them(
    core: Core, alice: Actor
) -> None:
    core.push(alice, HELLO.replace("name: hello", "name: never-run"))
    runs = [core.run(alice) for _ in range(3)]
    core.automations.cancel(alice, runs[1].id)
    mallory = core.person(core.org("globex"), "mallory", BuiltInRole.ADMIN)

    first, second = core.automations.recent.list_by_template(alice, "", 10).items

    assert (first.template, [run.id for run in first.runs]) == (
        "hello",
        [run.id for run in reversed(runs)],
    )
    assert [run.state for run in first.runs] == ["queued", "cancelled", "queued"]
    assert (second.template, second.runs) == ("never-run", [])
    assert core.automations.recent.list_by_template(alice, "hello", 10).items == [second]
    assert core.automations.recent.list_by_template(mallory, "", 10).items == []


def test_how_automations_went_is_hidden_with_their_template(core: Core, alice: Actor) -> None:
    core.push(alice, HELLO.replace("name: hello", "name: hidden"))
    core.run(alice, "hidden")
    rules = ["allow view templates", "deny view templates/hidden", "allow view automations"]
    guest = msgspec.structs.replace(
        core.person(alice.org_id, "guest", BuiltInRole.MEMBER),
        rights=Rights((grants_of([parse_rule(rule) for rule in rules], "rules"),)),
    )

    listed = core.automations.recent.list_by_template(guest, "", 10).items

    assert [each.template for each in listed] == ["hello"]


def test_how_one_template_went_is_shown_with_the_version_of_each_run_to_who_may_see_it(
    core: Core, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = core.run(alice)
    core.push_again(alice, HELLO.replace("echo hello", "echo goodbye"))
    new = core.run(alice)
    mallory = core.person(core.org("globex"), "mallory", BuiltInRole.ADMIN)

    shown = core.automations.recent.of_template(alice, "hello")

    assert [(run.id, run.version) for run in shown.runs] == [(new.id, 2), (old.id, 1)]
    earlier = core.automations.recent.of_template(alice, "hello", before=new.id)
    later = core.automations.recent.of_template(alice, "hello", since=new.id)
    assert [[run.id for run in each.runs] for each in (earlier, later)] == [[old.id], [new.id]]
    monkeypatch.setattr(recent_runs, "RUNS_OF_ONE", 1)
    first = core.automations.recent.of_template(alice, "hello")
    last = core.automations.recent.of_template(alice, "hello", before=first.next_cursor)
    assert [first.runs, last.runs] == [[run] for run in shown.runs]
    assert not shown.next_cursor + last.next_cursor
    for who, name in ((mallory, "hello"), (alice, "absent")):
        with pytest.raises(NotFound):
            core.automations.recent.of_template(who, name)


def test_a_list_says_how_far_the_phases_are_and_of_a_lost_job_no_more_than_is_known(
    core: Core, alice: Actor
) -> None:
    core.push(
        alice,
        HELLO.replace("name: hello", "name: steps").replace(
            "phases: [", 'phases: [{name: look, commands: ["true"]}, '
        ),
    )
    worker = core.worker(alice.org_id, "w1")
    runs = []
    for state in ("failed", "unknown"):
        runs.append(core.run(alice, "steps"))
        [work] = worker.poll().work
        worker.start(work)
        reports = (PhaseReport(name="look", state="succeeded"), PhaseReport(name="greet"))
        outcome = Outcome(state=state, phases=reports, exit_code=1)
        core.jobs.finish(
            worker.actor,
            work.job_id,
            FinishRequest(fence=work.fence, outcome=outcome, log_bytes=0),
        )
        worker.held.pop(work.job_id)
    runs.append(core.run(alice, "steps"))

    page = core.automations.list_newest(alice, AutomationFilter(), "", 10)

    shown = {each.id: [(phase.name, phase.state) for phase in each.phases] for each in page.items}
    assert shown == {
        runs[0].id: [("look", "succeeded"), ("greet", "pending")],
        runs[1].id: [("look", "succeeded"), ("greet", "unknown")],
        runs[2].id: [],
    }
