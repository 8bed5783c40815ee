"""What keeps calls from beginning, or their callers from going on: approvals, and altered rows."""

from __future__ import annotations

import hashlib
import io
import sqlite3
from datetime import timedelta
from functools import partial

import gevent
import pytest

from opsicle.domain.approvals import Verdict
from opsicle.server.access.actor import Actor
from opsicle.server.automations import call_starts
from opsicle.server.automations.retention import Retention, RetentionPeriods
from opsicle.server.store import documents
from opsicle.server.store.documents import DocumentKind
from opsicle.wire.approval_api import DecisionRequest
from opsicle.wire.jobs import PhaseOutput, PhaseReport
from tests.services.core import Core
from tests.services.scheduling import started
from tests.services.team import Team
from tests.services.template_calls import ONE, TWO, Calling, caller, child, push_one


def gated(name: str = "child") -> str:
    return child(name, "approvalPolicy: {policyRef: p}")


@pytest.fixture
def asking(team: Team) -> Calling:
    """Return a template without a policy that calls one for which Bob is asked."""
    team.policy()
    team.core.push_again(team.people["carol"], gated())
    team.core.push_again(team.people["carol"], caller())
    return Calling(team.core, team.people["alice"])


def approve(team: Team, calling: Calling) -> None:
    team.approve("bob", calling.now)


def test_the_policy_of_what_is_called_is_asked_before_anything_begins(
    team: Team, asking: Calling
) -> None:
    asking.run()
    assert asking.now.state == "awaiting_approval"
    approval = team.core.approvals.get(team.people["bob"], asking.now.approval_id or "")
    assert [gate.name for gate in approval.gates] == ["boss"]
    assert [(each.template, each.version) for each in approval.calls] == [("child", 1)]

    approve(team, asking)
    asking.begin().call().turn()

    assert asking.child().state == "queued"
    asking.carry_out()
    assert asking.turn().go_on()["verdict"] == "continue"


def test_a_policy_that_was_tightened_since_keeps_a_child_from_being_made(
    team: Team, asking: Calling
) -> None:
    asking.run()
    approve(team, asking)
    asking.begin()
    team.policy("{name: boss, approvers: {users: [dave@example.com]}}")

    asking.call().turn()

    assert "was agreed to is not what child asks" in asking.called[0].reason
    assert len(started(team.core, asking.actor)) == 1


def test_a_decision_that_was_taken_away_keeps_a_child_from_being_made(
    team: Team, asking: Calling
) -> None:
    asking.run()
    approve(team, asking)
    asking.begin()
    team.core.database.write(
        lambda db: (
            db.execute("DROP TRIGGER approval_decisions_are_immutable"),
            db.execute("UPDATE approval_decisions SET user_id = requester_id FROM approvals"),
        )
    )

    asking.call().turn()

    assert "is not as it was made" in asking.called[0].reason


def test_a_template_that_was_put_in_the_place_of_another_is_not_called(
    core: Core, alice: Actor
) -> None:
    calling = push_one(core, alice).run().begin().call()
    found = core.database.read(
        lambda db: documents.find(db, DocumentKind.TEMPLATE, alice.org_id, "child", 1)
    )
    assert found

    def replace(db) -> None:
        db.execute("DROP TRIGGER template_versions_are_immutable")
        db.execute(
            "UPDATE template_versions SET document = replace(document, 'true', 'evil')"
            " WHERE template_id = ?",
            (found.document_id,),
        )

    core.database.write(replace)
    calling.turn()

    assert calling.called[0].state == "refused"
    assert len(started(core, alice)) == 1


def test_outputs_that_are_too_large_together_fail_the_phase(core: Core, alice: Actor) -> None:
    calling = push_one(core, alice, phase=", outputs: [found]").run().begin()
    big = tuple(PhaseOutput(name=f"o{i}", value="x" * 32_000) for i in range(4))
    host = PhaseOutput(name="host", value="db1")
    before = PhaseReport(name="before", state="succeeded", outputs=(host, *big))
    calling.pause(before, PhaseReport(name="both"), PhaseReport(name="after"))
    calling.turn().carry_out(found="y" * 32_000)

    assert "too large" in str(calling.turn().go_on()["reason"])


def test_policies_of_caller_and_called_are_asked_together_and_the_same_one_once(
    team: Team,
) -> None:
    carol = team.people["carol"]
    team.policy("{name: boss, approvers: {manager: true}, when: [{variable: site, in: [fra]}]}")
    team.policy("{name: boss, approvers: {users: [dave@example.com]}}", "q")
    team.core.push_again(carol, gated())
    team.core.push_again(carol, child("other", "approvalPolicy: {policyRef: q}"))
    team.core.push_again(carol, caller(TWO, "approvalPolicy: {policyRef: p}"))
    asking = Calling(team.core, team.people["alice"]).run()

    gates = team.core.approvals.get(team.people["bob"], asking.now.approval_id or "").gates

    assert [gate.name for gate in gates] == ["p/boss", "q/boss"]
    team.approve("bob", asking.now)
    assert asking.now.state == "awaiting_approval"
    team.approve("dave", asking.now)
    asking.begin().call().turn()
    assert {each.state for each in asking.called} == {"started"}


def test_what_people_gave_at_a_pause_before_a_call_is_there_after_it(team: Team) -> None:
    carol, alice = team.people["carol"], team.people["alice"]
    team.core.push_again(carol, child())
    pause = "pause: {message: m, approvers: {users: [bob@example.com]}, variables: [{id: lag}]}"
    text = caller().replace(
        "      - {name: both", f"      - {{name: look, {pause}}}\n      - {{name: both"
    )
    team.core.push_again(carol, text)
    asking = Calling(team.core, alice).run().begin()
    host = PhaseOutput(name="host", value="db1")
    before = PhaseReport(name="before", state="succeeded", outputs=(host,))
    rest = (PhaseReport(name="both"), PhaseReport(name="after"))
    asking.holder.pause_with(asking.work, 1, (before, PhaseReport(name="look"), *rest))
    request = DecisionRequest(values={"lag": "7"})
    team.core.approvals.decide(
        team.people["bob"], asking.now.pause_id or "", Verdict.APPROVE, request
    )
    asking.go_on()
    asking.holder.start(asking.work)

    looked = PhaseReport(name="look", state="succeeded")
    asking.holder.pause_with(asking.work, 2, (before, looked, *rest))
    asking.turn().carry_out()

    assert asking.turn().go_on()["values"] == {"lag": "7"}


def test_who_would_be_asked_for_what_is_called_is_shown_before_it_is_run(
    team: Team, asking: Calling
) -> None:
    need = team.core.approvals.need(asking.actor, "caller")

    assert need.is_needed
    assert [gate.name for gate in need.gates] == ["boss"]


def test_outputs_that_were_altered_are_not_passed_on(core: Core, alice: Actor) -> None:
    calling = push_one(core, alice, phase=", outputs: [found]").run().begin().call()
    alter = "UPDATE jobs SET phases = replace(phases, '\"db1\"', '\"evil\"')"
    core.database.write(lambda db: db.execute(alter))

    assert "has left other outputs" in calling.turn().called[0].reason


def test_outputs_that_were_altered_do_not_come_back(core: Core, alice: Actor) -> None:
    calling = push_one(core, alice, phase=", outputs: [found]").run().begin().call().turn()
    calling.carry_out(found="/srv/a")
    alter = "UPDATE jobs SET phases = replace(phases, '\"/srv/a\"', '\"/etc\"')"
    core.database.write(lambda db: db.execute(alter))

    assert calling.turn().holder.poll().work == ()

    assert "by the record child has left other outputs" in calling.now.explanation


def test_a_file_is_passed_on_to_what_is_called(core: Core, alice: Actor) -> None:
    core.push_again(alice, child().replace("{id: who,", "{id: doc, type: file}, {id: who,"))
    call = "{template: child, values: {who: x, doc: {variable: report}}}"
    source = caller(call).replace("{id: site,", "{id: report, type: file}, {id: site,")
    core.push_again(alice, source)
    uploaded = core.services.files.upload(alice, "r.csv", 3, io.BytesIO(b"a;b").read)
    calling = Calling(core, alice)
    calling.automation = core.run(alice, "caller", report=uploaded.id)

    calling.begin().call().turn()

    assert [(each.name, each.sha256) for each in calling.child().files] == [
        ("r.csv", hashlib.sha256(b"a;b").hexdigest())
    ]


def test_a_call_that_its_row_says_is_yet_to_be_made_is_not_made_again(
    core: Core, alice: Actor
) -> None:
    calling = push_one(core, alice).run().begin().call().turn()
    calling.carry_out()
    core.database.write(
        lambda db: db.execute("UPDATE calls SET state = 'due', automation_id = NULL")
    )

    calling.turn()

    assert calling.called[0].reason == "by the record it was started before"
    assert len(started(core, alice)) == 2


def test_what_has_called_and_what_was_called_is_removed_with_the_rest(
    core: Core, alice: Actor
) -> None:
    core.push_again(alice, child())
    core.push_again(alice, caller(ONE, "onSuccess: [{template: child, values: {who: x}}]"))
    calling = Calling(core, alice).run().begin().call().turn()
    calling.carry_out()
    calling.turn().go_on()
    calling.holder.start(calling.work)
    calling.holder.finish(calling.work)
    core.services.chain_starts.turn()
    calling.carry_out()
    core.clock.advance(400 * 86_400)

    day = timedelta(days=1)
    keep = RetentionPeriods(day, automations=day)
    Retention(core.database, core.job_logs, core.clock).prune(keep)

    assert started(core, alice) == []
    for table in ("calls", "call_waits", "chain_starts"):
        left = core.database.read(lambda db, t=table: db.execute(f"SELECT * FROM {t}").fetchall())
        assert left == []


def test_a_child_of_a_version_that_is_not_there_holds_up_nobody(team: Team) -> None:
    core, alice = team.core, team.people["alice"]
    calling = push_one(core, alice).run().begin().call().turn()
    calling.carry_out()
    with sqlite3.connect(core.database.path) as db:
        db.execute("UPDATE automations SET version = 99 WHERE called_by <> ''")
    calling.turn()

    assert calling.holder.poll().work == ()
    assert calling.now.state == "cancelled"


def test_a_caller_of_a_version_that_is_not_there_holds_up_nobody(team: Team) -> None:
    core, alice = team.core, team.people["alice"]
    calling = push_one(core, alice).run().begin().call().turn()
    with sqlite3.connect(core.database.path) as db:
        db.execute("UPDATE automations SET version = 99 WHERE called_by = ''")

    assert core.worker(alice.org_id, "c1").poll().work == ()
    [summary] = [each for each in started(core, alice) if each.id != calling.automation.id]
    assert summary.state == "cancelled"


def test_a_child_that_cannot_be_ended_holds_up_no_other_call(core: Core, alice: Actor) -> None:
    core.push_again(alice, child())
    core.push_again(alice, caller())
    first = Calling(core, alice).run().begin().call().turn()
    core.automations.cancel(alice, first.automation.id)
    core.database.write(lambda db: db.execute("UPDATE calls SET automation_id = 'gone'"))
    second = Calling(core, alice).run()
    second.holder = core.worker(alice.org_id, "second", slots=2)
    second.work = next(
        work for work in second.holder.poll().work if work.automation_id == second.automation.id
    )
    second.holder.start(second.work)

    second.call().turn()

    assert second.called[0].state == "started"


def test_what_runs_for_one_org_keeps_no_other_call_from_being_made(
    core: Core, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_starts, "MOST_AT_ONCE", 1)
    push_one(core, alice).run().begin().call().turn()
    second = Calling(core, alice).run()
    second.holder = core.worker(alice.org_id, "second", slots=2)
    second.work = next(
        work for work in second.holder.poll().work if work.automation_id == second.automation.id
    )
    second.holder.start(second.work)

    second.call().turn()

    assert second.called[0].state == "started"


@pytest.mark.parametrize("is_first", [True, False])
def test_a_call_and_a_cancel_of_its_caller_that_race_leave_nothing_running(
    core: Core, alice: Actor, *, is_first: bool
) -> None:
    calling = push_one(core, alice).run().begin().call()
    turn = calling.turn
    cancel = partial(core.automations.cancel, alice, calling.automation.id)

    racing = [gevent.spawn(step) for step in ((turn, cancel) if is_first else (cancel, turn))]
    gevent.joinall(racing, raise_error=True)
    calling.turn()

    assert calling.now.state == "cancelled"
    assert [each.state for each in started(core, alice)] == ["cancelled"] * (2 if is_first else 1)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE automations SET cancel_requested_at = NULL, cancel_requested_by = NULL",
        "UPDATE call_waits SET is_after_cancel = 1",
    ],
)
def test_what_was_cancelled_by_the_record_calls_nothing_though_its_rows_were_set_back(
    core: Core, alice: Actor, change: str
) -> None:
    calling = push_one(core, alice).run().begin().call()
    core.automations.cancel(alice, calling.automation.id)
    with sqlite3.connect(core.database.path) as db:
        for trigger in db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'"):
            db.execute(f"DROP TRIGGER {trigger[0]}")
        db.execute("UPDATE automations SET state = 'paused', finished_at = NULL")
        db.execute("UPDATE jobs SET state = 'paused', finished_at = NULL")
        db.execute(change)

    calling.turn()

    [call] = calling.called
    assert (call.state, call.automation_id) == ("refused", None)
    assert call.reason in {
        "by the record somebody has cancelled it",
        "by the record it was carried out before",
    }
    assert len(started(core, alice)) == 1
