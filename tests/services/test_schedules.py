"""Schedules start what they say, when they say it, once, with the rights of whoever it is.

The clock stands at midnight of 2026-01-01, UTC, and the template `hello` is there.
"""

from __future__ import annotations

from datetime import UTC, datetime

import gevent
import pytest

from opsicle.domain.errors import Conflict, InvalidInput
from opsicle.domain.schedules import MOST_SCHEDULES
from opsicle.server.access.actor import Actor
from opsicle.wire.starts import StartedBy, StarterKind
from tests.services.core import Core
from tests.services.scheduling import (
    HOURLY,
    push_schedule,
    record,
    schedule_source,
    show,
    started,
    turn,
)

HOUR, DAY = 3600, 86_400


def at(hour: int, day: int = 1) -> datetime:
    return datetime(2026, 1, day, hour, tzinfo=UTC)


def finish_all(core: Core, actor: Actor) -> None:
    """Let a worker carry out whatever waits."""
    worker = core.worker(actor.org_id, f"w{core.clock.elapsed()}")
    while work := worker.poll().work:
        worker.start(work[0])
        worker.finish(work[0])


def test_a_time_starts_the_template_once_and_says_what_started_it(core: Core, alice: Actor) -> None:
    push_schedule(core, alice, HOURLY, "values: {who: night}")

    turn(core)
    core.clock.advance(HOUR)
    turn(core)
    turn(core)

    (automation,) = started(core, alice)
    assert automation.started_by == StartedBy(StarterKind.SCHEDULE, "nightly")
    assert automation.requester.email == alice.email
    assert core.automations.get(alice, automation.id).values == {"who": "night"}
    schedule = show(core, alice)
    assert schedule.last_start
    assert (schedule.last_start.outcome, schedule.last_start.automation_id) == (
        "started",
        automation.id,
    )
    assert schedule.next_at == at(2)
    assert record(core, alice, f"automations/{automation.id}") == [("run", alice.email)]


def test_what_a_person_runs_says_so(core: Core, alice: Actor) -> None:
    assert core.run(alice).started_by == StartedBy(StarterKind.USER, alice.email)


def test_two_turns_at_once_start_it_once(core: Core, alice: Actor) -> None:
    push_schedule(core, alice, HOURLY, "overlap: true")
    core.clock.advance(HOUR)

    gevent.joinall([gevent.spawn(turn, core) for _ in range(5)], raise_error=True)

    assert len(started(core, alice)) == 1


def test_the_time_is_used_up_with_the_automation_or_not_at_all(
    core: Core, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server dies after the time is used up, before the automation is whole."""
    push_schedule(core, alice, HOURLY)
    core.clock.advance(HOUR)

    def dies(*_: object) -> None:
        raise RuntimeError("killed here")

    with monkeypatch.context() as killed:
        killed.setattr("opsicle.server.store.automations.insert", dies)
        turn(core)
    assert started(core, alice) == []

    core.clock.advance(5)
    turn(core)
    turn(core)
    assert len(started(core, alice)) == 1


def test_a_clock_stepped_back_runs_no_time_again(core: Core, alice: Actor) -> None:
    push_schedule(core, alice, HOURLY, "overlap: true")
    core.clock.advance(HOUR)
    turn(core)

    core.clock.step(-HOUR - 60)
    turn(core)
    core.services.schedules.pause(alice, "nightly")
    core.services.schedules.resume(alice, "nightly")
    push_schedule(core, alice, HOURLY, "overlap: true", "values: {who: other}")
    core.clock.advance(HOUR + 60)
    turn(core)
    assert len(started(core, alice)) == 1

    core.clock.advance(HOUR)
    turn(core)
    assert len(started(core, alice)) == 2


@pytest.mark.parametrize(
    ("missed", "count", "outcome"), [("skip", 0, "missed"), ("once", 1, "started")]
)
def test_a_server_that_was_away_for_a_day_does_as_the_schedule_says(
    core: Core, alice: Actor, missed: str, count: int, outcome: str
) -> None:
    push_schedule(core, alice, HOURLY, f"missed: {missed}", "overlap: true")
    core.clock.advance(DAY + 600)

    for _ in range(3):
        turn(core)

    schedule = show(core, alice)
    assert len(started(core, alice)) == count
    assert schedule.last_start
    assert schedule.last_start.outcome == outcome
    assert schedule.next_at == at(1, day=2)


def test_all_missed_times_are_made_up_for_one_after_the_other(core: Core, alice: Actor) -> None:
    push_schedule(core, alice, 'cron: "0 */6 * * *"', "missed: all")
    core.clock.advance(DAY + 600)

    for _ in range(8):
        turn(core)
        assert sum(one.state == "queued" for one in started(core, alice)) <= 1
        finish_all(core, alice)
        core.clock.advance(5)

    assert len(started(core, alice)) == 4
    assert show(core, alice).next_at == at(6, day=2)


def test_all_goes_back_a_week_at_most(core: Core, alice: Actor) -> None:
    push_schedule(core, alice, 'cron: "0 0 * * *"', "missed: all", "overlap: true")
    core.clock.advance(30 * DAY + 600)

    for _ in range(12):
        turn(core)

    assert len(started(core, alice)) == 7


def test_what_is_due_while_the_queue_is_held_is_not_started(core: Core, alice: Actor) -> None:
    push_schedule(core, alice, HOURLY)
    core.fleet.held = "the server was restored"
    core.clock.advance(HOUR)

    turn(core)
    assert started(core, alice) == []

    core.fleet.held = ""
    turn(core)
    assert len(started(core, alice)) == 1


def test_a_time_is_skipped_while_the_run_before_goes_on(core: Core, alice: Actor) -> None:
    push_schedule(core, alice, HOURLY)
    core.clock.advance(HOUR)
    turn(core)

    core.clock.advance(HOUR)
    turn(core)

    schedule = show(core, alice)
    assert schedule.last_start
    assert (schedule.last_start.outcome, schedule.last_start.reason) == (
        "skipped",
        "the run before is not over",
    )
    finish_all(core, alice)
    core.clock.advance(HOUR)
    turn(core)
    assert [one.state for one in started(core, alice)] == ["succeeded", "queued"]


def test_runs_overlap_where_that_is_allowed(core: Core, alice: Actor) -> None:
    push_schedule(core, alice, "every: 5s", "overlap: true")

    for _ in range(3):
        core.clock.advance(5)
        turn(core)

    assert [one.state for one in started(core, alice)] == ["queued"] * 3


def test_nothing_starts_while_it_is_paused_and_nothing_is_made_up_for(
    core: Core, alice: Actor
) -> None:
    push_schedule(core, alice, HOURLY, "missed: all")
    core.services.schedules.pause(alice, "nightly")
    core.clock.advance(HOUR)
    turn(core)
    assert (show(core, alice).state, show(core, alice).next_at) == ("paused", None)
    assert core.services.schedules.next_times(alice, "nightly", 5).next_times == []

    core.services.schedules.resume(alice, "nightly")
    turn(core)
    assert started(core, alice) == []
    assert show(core, alice).next_at == at(2)


def test_a_deleted_schedule_starts_nothing(core: Core, alice: Actor) -> None:
    push_schedule(core, alice, HOURLY)
    core.services.schedules.delete(alice, "nightly")
    core.clock.advance(HOUR)

    turn(core)

    assert started(core, alice) == []


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        ([HOURLY, "values: {nobody: x}"], "no variable"),
        ([HOURLY, "runAs: nobody"], "no service account nobody"),
    ],
)
def test_what_cannot_fit_is_refused_when_it_is_pushed(
    core: Core, alice: Actor, lines: list[str], wrong: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        push_schedule(core, alice, *lines)

    assert any(wrong in problem.message for problem in refused.value.problems)


def test_a_template_that_is_not_there_yet_is_warned_of(core: Core, alice: Actor) -> None:
    pushed = push_schedule(core, alice, HOURLY, template="later")

    assert [problem.path for problem in pushed.warnings] == ["spec.template"]


def test_an_org_has_so_many_schedules(
    core: Core, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_SCHEDULES == 500
    monkeypatch.setattr("opsicle.server.schedules.service.MOST_SCHEDULES", 1)
    push_schedule(core, alice, HOURLY)

    with pytest.raises(Conflict, match="may have no more"):
        push_schedule(core, alice, HOURLY, name="second")


def test_what_was_altered_behind_the_servers_back_starts_nothing(core: Core, alice: Actor) -> None:
    push_schedule(core, alice, HOURLY)
    core.database.write(
        lambda db: [
            db.execute("DROP TRIGGER schedule_versions_are_immutable"),
            db.execute(
                "UPDATE schedule_versions SET document = replace(document, '\"hello\"', '\"evil\"')"
            ),
        ]
    )
    core.clock.advance(HOUR)

    turn(core)

    assert started(core, alice) == []
    assert show(core, alice).state == "failing"
    assert "not what was pushed" in show(core, alice).last_start.reason  # type: ignore[union-attr]


def test_one_that_cannot_be_read_holds_up_no_other(core: Core, alice: Actor) -> None:
    push_schedule(core, alice, HOURLY)
    push_schedule(core, alice, HOURLY, name="other")
    core.database.write(
        lambda db: db.execute("UPDATE schedules SET latest_version = 7 WHERE name = 'nightly'")
    )
    core.clock.advance(HOUR)

    turn(core)

    assert [one.started_by.name for one in started(core, alice)] == ["other"]


def test_a_document_with_both_kinds_of_times_is_refused(core: Core, alice: Actor) -> None:
    with pytest.raises(InvalidInput):
        core.services.schedules.push(alice, schedule_source(HOURLY, "every: 5m"))
