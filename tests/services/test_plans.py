"""A plan runs before anybody is asked, and what it has shown is what people agree to."""

from __future__ import annotations

import msgspec
import pytest

from opsicle.domain.errors import Conflict, LeaseLost
from opsicle.domain.manifests import Manifest, WorkOrder
from opsicle.domain.plans import MAX_PLAN_LOG_BYTES
from opsicle.server.store import audit
from opsicle.wire.jobs import PhaseOutput
from tests.services.planning import LOG, finish, plan, push, shown, take
from tests.services.team import Team, template_source


@pytest.fixture
def planned(team: Team) -> Team:
    """Return an org whose template `planned` has a plan, and asks Bob."""
    team.policy()
    push(team)
    return team


def commands(work: object) -> list[str]:
    return [command for phase in work.phases for command in phase.commands]


def order_of(work: object) -> WorkOrder:
    return msgspec.json.decode(work.order, type=WorkOrder)


def verbs(team: Team, automation_id: str) -> list[str]:
    entries = team.core.database.read(
        lambda db: audit.list_decisive(db, team.org_id, f"automations/{automation_id}")
    )
    return [entry.verb for entry in entries]


def test_it_plans_asks_and_runs_each_under_an_order_of_its_own(planned: Team) -> None:
    asked = planned.ask("planned")
    assert asked.state == "planning"
    assert planned.notified("approval_requested") == [], "nobody is asked before"

    worker, work = take(planned)
    assert (commands(work), work.is_plan, order_of(work).is_plan) == (
        ["terraform plan"],
        True,
        True,
    )
    assert shown(planned, asked).state == "planning"

    finish(worker, work)
    now = shown(planned, asked)
    assert now.state == "awaiting_approval"
    assert (now.plan[0].state, now.phases[0].state) == ("succeeded", "pending")
    assert now.outputs == {"changes": "4"}
    assert planned.notified("approval_requested") == [{"bob"}]
    assert worker.poll().work == ()

    planned.approve("bob", now)
    worker, work = take(planned, worker)
    assert (commands(work), work.is_plan, order_of(work).is_plan) == (
        ["terraform apply"],
        False,
        False,
    )
    assert work.plan_outputs == {"changes": "4"}
    manifest = msgspec.json.decode(work.manifest, type=Manifest)
    assert (manifest.plan_outputs, len(manifest.evidence)) == ({"changes": "4"}, 64)

    finish(worker, work, outputs=())
    assert shown(planned, asked).state == "succeeded"
    assert verbs(planned, asked.id) == ["start", "plan", "start", "finish"]


@pytest.mark.parametrize("state", ["failed", "timed_out"])
def test_a_plan_that_does_not_go_well_asks_nobody(planned: Team, state: str) -> None:
    asked = planned.ask("planned")

    finish(*take(planned), state)

    assert shown(planned, asked).state == "failed"
    assert planned.why(asked) == "the plan failed; nobody was asked"
    assert planned.notified("approval_requested") == []
    assert shown(planned, asked).approval_id is None


def test_without_a_policy_the_rest_follows_the_plan_at_once(team: Team) -> None:
    push(team, more="priority: 5")
    asked = team.ask("planned")
    worker, work = take(team)

    [rest] = finish(worker, work, is_slot_free=True)

    assert commands(rest) == ["terraform apply"]
    worker.start(rest)
    finish(worker, rest, outputs=())
    assert shown(team, asked).state == "succeeded"


def test_an_open_poll_gets_what_is_triggered_with_a_plan_at_once(planned: Team) -> None:
    worker = planned.core.worker(planned.org_id, "w")
    waiting = worker.poll_in_background()

    asked = planned.ask("planned")

    [work] = waiting.get(timeout=60).work
    assert (work.automation_id, work.is_plan) == (asked.id, True)


def test_an_approval_that_nobody_could_give_is_refused_before_the_plan(planned: Team) -> None:
    planned.change("alice", manager_id=None)

    with pytest.raises(Conflict, match="could never be given"):
        planned.ask("planned")


def test_an_approval_that_nobody_can_give_any_more_fails_the_plan(planned: Team) -> None:
    asked = planned.ask("planned")
    planned.change("alice", manager_id=None)

    finish(*take(planned))

    assert shown(planned, asked).state == "failed"
    assert "could never be given" in planned.why(asked)


@pytest.mark.parametrize("has_started", [False, True])
def test_it_can_be_cancelled_while_it_plans(planned: Team, has_started: bool) -> None:
    asked = planned.ask("planned")
    worker = planned.core.worker(planned.org_id, "w")
    if has_started:
        worker, work = take(planned, worker)

    planned.core.automations.cancel(planned.people["alice"], asked.id)

    if has_started:
        assert shown(planned, asked).state == "planning"
        assert worker.poll().cancel == (work.job_id,)
        finish(worker, work, "cancelled")
    assert shown(planned, asked).state == "cancelled"
    assert worker.poll().work == ()


def test_a_plan_that_went_well_while_it_was_cancelled_asks_nobody(planned: Team) -> None:
    asked = planned.ask("planned")
    worker, work = take(planned)
    planned.core.automations.cancel(planned.people["alice"], asked.id)

    finish(worker, work)

    assert shown(planned, asked).state == "cancelled"
    assert planned.notified("approval_requested") == []


def test_a_plan_whose_worker_is_lost_fails_and_its_late_word_changes_nothing(
    planned: Team,
) -> None:
    asked = planned.ask("planned")
    worker, work = take(planned)
    planned.core.clock.advance(60)

    planned.core.jobs.expire()

    assert shown(planned, asked).state == "failed"
    assert "the plan failed; nobody was asked: worker" in planned.why(asked)
    finish(worker, work)
    assert shown(planned, asked).state == "failed"
    assert planned.notified("approval_requested") == []


def test_a_lost_plan_is_carried_out_anew_where_the_template_lets_that_be(team: Team) -> None:
    push(team, more="onWorkerLost: requeue")
    asked = team.ask("planned")
    worker, work = take(team)
    team.core.clock.advance(60)

    team.core.jobs.expire()

    assert shown(team, asked).state == "planning"
    again, second = take(team)
    assert second.is_plan
    with pytest.raises(LeaseLost):
        finish(worker, work)
    finish(again, second)
    assert shown(team, asked).state == "queued"


def test_a_restart_of_the_server_forgets_no_plan(planned: Team) -> None:
    asked = planned.ask("planned")
    worker, work = take(planned)

    planned.restart()
    worker.core = planned.core
    worker.poll()
    finish(worker, work)

    assert shown(planned, asked).state == "awaiting_approval"


def test_a_plan_takes_no_turn_of_its_group(team: Team) -> None:
    push(team, more="concurrency: {group: db, limit: 1}")
    first, second = team.ask("planned"), team.ask("planned")
    worker = team.core.worker(team.org_id, "w", slots=3)

    one, two = worker.poll().work
    for work in (one, two):
        worker.start(work)
        finish(worker, work)

    [running] = worker.poll().work
    assert running.automation_id == first.id
    assert shown(team, second).waiting_reason == "behind 1 other of group db"


def test_a_rerun_plans_again(planned: Team) -> None:
    asked = planned.ask("planned")
    plan(planned, asked)

    again = planned.core.automations.rerun(planned.people["alice"], asked.id)

    assert again.state == "planning"


def test_a_secret_in_what_a_plan_hands_on_is_refused_by_name(planned: Team) -> None:
    asked = planned.ask("planned")

    finish(*take(planned), outputs=(PhaseOutput(name="changes", value="•", is_masked=True),))

    assert shown(planned, asked).state == "failed"
    assert planned.why(asked).endswith("later phases could not be given: changes")


def test_a_plan_that_says_more_than_anybody_could_read_fails(planned: Team) -> None:
    asked = planned.ask("planned")
    worker, work = take(planned)
    assert work.max_log_bytes == MAX_PLAN_LOG_BYTES
    for number in range(18):
        request_log(planned, worker, work, number)

    finish(worker, work, log=b"")

    assert "its log is longer than 1024 KiB" in planned.why(asked)


def request_log(team: Team, worker: object, work: object, number: int) -> None:
    piece = b"x" * (64 * 1024)
    team.core.job_logs.append(work.job_id, [(number * len(piece), 0, 1, 0, piece)])


TAMPERED = {
    "it is queued before its plan has run": "UPDATE automations SET state = 'queued'",
    "it is said to have planned": """
        UPDATE automations SET state = 'queued', evidence = 'x'
    """,
}


@pytest.mark.parametrize("sql", TAMPERED.values(), ids=TAMPERED.keys())
def test_no_row_makes_a_worker_run_what_was_not_planned(team: Team, sql: str) -> None:
    push(team, more="priority: 5")
    asked = team.ask("planned")
    team.tamper("DROP TRIGGER automations_stay_bound")
    team.tamper(sql)

    assert team.core.worker(team.org_id, "w").poll().work == ()
    assert team.why(asked).startswith("it was not run: ")


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE jobs SET phases = replace(phases, '4', '5')",
        "UPDATE jobs SET exit_code = 7",
        "UPDATE jobs SET is_plan = 0",
        "UPDATE automations SET evidence = ''",
        "UPDATE automations SET evidence = replace(evidence, substr(evidence, 1, 1), 'x')",
    ],
)
def test_evidence_changed_after_the_approval_lets_nothing_run(planned: Team, sql: str) -> None:
    asked = plan(planned, planned.ask("planned"))
    planned.approve("bob", asked)
    planned.tamper("DROP TRIGGER automations_stay_bound")
    planned.tamper(sql)

    assert planned.core.worker(planned.org_id, "w").poll().work == ()
    assert planned.why(asked).startswith("it was not run: ")
    assert verbs(planned, asked.id)[-1] == "refuse"


def test_a_log_changed_after_the_approval_lets_nothing_run(planned: Team) -> None:
    asked = plan(planned, planned.ask("planned"))
    planned.approve("bob", asked)
    planned.core.job_logs.removals.delete_of_jobs([asked.jobs[0].id])
    harmless = (0, 0, 1, 0, LOG.replace(b"destroy", b"inspect"))
    planned.core.job_logs.append(asked.jobs[0].id, [harmless])

    assert planned.core.worker(planned.org_id, "w").poll().work == ()
    assert planned.why(asked) == (
        "it was not run: what its plan has shown is not what is stored of it"
    )


def test_a_plan_put_back_behind_the_servers_back_does_not_run_again(planned: Team) -> None:
    asked = planned.ask("planned")
    columns = "manifest_digest, mac, evidence, state, job_id"
    [before] = planned.core.database.read(
        lambda db: db.execute(f"SELECT {columns} FROM automations").fetchall()
    )
    plan(planned, asked)
    for trigger in ("automations_stay_bound", "automations_stay_authentic", "approvals_stay"):
        planned.tamper(f"DROP TRIGGER {trigger}")
    planned.tamper("DELETE FROM approvals")
    planned.tamper(
        f"UPDATE automations SET ({columns}) = (:a, :b, :c, :d, :e)",
        **dict(zip("abcde", before, strict=True)),
    )

    assert planned.core.worker(planned.org_id, "again").poll().work == ()
    assert planned.why(asked) == "it was not run: by the record its plan was carried out before"


def test_an_approver_is_shown_what_the_plan_has_shown(planned: Team) -> None:
    asked = plan(planned, planned.ask("planned"))

    evidence = planned.show("bob", asked).evidence

    assert evidence is not None
    assert (evidence.log, evidence.log_bytes) == (LOG.decode(), len(LOG))
    assert (evidence.outputs, evidence.summary) == ({"changes": "4"}, "It *will* change 4.")
    assert [(each.name, each.state) for each in evidence.phases] == [("look", "succeeded")]
    [(facts,)] = planned.deliveries("approval_requested", "facts", "email")
    assert "It *will* change 4.\\nchanges=4" in facts


def test_who_decides_about_other_evidence_than_there_is_is_refused(planned: Team) -> None:
    asked = plan(planned, planned.ask("planned"))
    shown_digest = planned.show("bob", asked).evidence.digest

    with pytest.raises(Conflict, match="not what this approval is about"):
        planned.approve("bob", asked, evidence_digest="0" * 64)

    planned.approve("bob", asked, evidence_digest=shown_digest)
    assert planned.state(asked) == "queued"


def test_a_log_changed_before_the_decision_is_shown_as_such_and_cannot_be_agreed_to(
    planned: Team,
) -> None:
    asked = plan(planned, planned.ask("planned"))
    planned.core.job_logs.removals.delete_of_jobs([asked.jobs[0].id])

    assert not planned.show("bob", asked).is_intact
    with pytest.raises(Conflict, match="what its plan has shown is not what is stored"):
        planned.approve("bob", asked)
    assert planned.state(asked) == "cancelled"


def test_a_template_with_a_plan_cannot_be_called(planned: Team) -> None:
    caller = template_source("caller", policy="none").replace(
        'commands: ["echo hi"]', "call: {template: planned}"
    )
    planned.core.push(planned.people["alice"], caller)

    with pytest.raises(Conflict, match="it has a plan"):
        planned.ask("caller")


def test_a_template_shows_what_its_plan_runs(planned: Team) -> None:
    template = planned.core.services.templates.get(planned.people["alice"], "planned")

    assert (commands(template), [phase.name for phase in template.plan]) == (
        ["terraform apply"],
        ["look"],
    )
