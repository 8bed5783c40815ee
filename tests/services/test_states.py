"""The state machine is the one that the database carries out, and that the pages know."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product

import msgspec

from opsicle.domain.automations import FINAL, OUTCOMES, TRANSITIONS, UNFINISHED, AutomationState
from opsicle.domain.run_windows import ALWAYS
from opsicle.server.access.actor import Actor
from opsicle.server.store import automation_transitions, automations, pauses, plans, run_windows
from opsicle.server.store.automation_transitions import Ending
from opsicle.server.store.database import Connection
from tests.product import CHECKOUT
from tests.services.core import Core

S = AutomationState
JOB = "job-1"


def test_the_store_takes_every_step_of_the_state_machine_and_no_other(
    core: Core, alice: Actor
) -> None:
    now = core.clock.now()
    row_id = core.run(alice).id
    steps: dict[str, Callable[[Connection], bool]] = {
        "start": lambda db: automation_transitions.start(db, row_id, JOB, now),
        "requeue": lambda db: automation_transitions.requeue(db, row_id, JOB, now),
        "approve": lambda db: automation_transitions.approve(db, row_id, now, ALWAYS),
        "cancel_waiting": lambda db: automation_transitions.cancel_waiting(
            db, row_id, alice.user_id, now
        ),
        "request_cancel": lambda db: automation_transitions.request_cancel(
            db, row_id, alice.user_id, now
        ),
        "pause": lambda db: pauses.pause_automation(db, row_id, JOB),
        "go on": lambda db: pauses.start_automation(db, row_id, JOB),
        **{
            f"finish {end} after a pause": finish(row_id, Ending(end, now))
            for end in (S.REJECTED, S.EXPIRED)
        },
        **{
            f"end paused {end}": end_paused(row_id, Ending(end, now))
            for end in (S.REJECTED, S.EXPIRED, S.CANCELLED, S.FAILED)
        },
        "refuse": lambda db: automation_transitions.refuse(db, row_id, JOB, now, "why"),
        **{
            f"plan {end}": end_planned(row_id, end)
            for end in (S.AWAITING_APPROVAL, S.QUEUED, S.FAILED, S.CANCELLED)
        },
        "miss its window": lambda db: missed_window(db, row_id, now),
        **{f"finish {end}": finish(row_id, Ending(end, now)) for end in OUTCOMES | {S.UNKNOWN}},
        **{
            f"end {end}": end_unapproved(row_id, Ending(end, now))
            for end in (S.REJECTED, S.EXPIRED, S.CANCELLED)
        },
    }

    taken = {
        (before, after)
        for before, step in product(AutomationState, steps.values())
        if (after := core.database.write(lambda db, at=before, do=step: tried(db, row_id, at, do)))
        != before
    }

    assert taken == {(before, after) for before, then in TRANSITIONS.items() for after in then}


def tried(
    db: Connection, row_id: str, before: AutomationState, step: Callable[[Connection], bool]
) -> AutomationState:
    """Return the state after a step from `before`; a step says truly whether it was taken."""
    db.execute(
        "UPDATE automations SET state = ?, job_id = ?, cancel_requested_at = NULL WHERE id = ?",
        (before, JOB, row_id),
    )
    was_taken = step(db)
    [(after,)] = db.execute("SELECT state FROM automations WHERE id = ?", (row_id,))
    assert was_taken or after == before
    return AutomationState(after)


def finish(row_id: str, ending: Ending) -> Callable[[Connection], bool]:
    return lambda db: automation_transitions.finish(db, row_id, JOB, ending)


def missed_window(db: Connection, row_id: str, at: datetime) -> bool:
    db.execute("UPDATE automations SET job_id = NULL WHERE id = ?", (row_id,))
    return run_windows.expire(db, row_id, at, "why")


def end_planned(row_id: str, end: AutomationState) -> Callable[[Connection], bool]:
    def step(db: Connection) -> bool:
        now = datetime.now(UTC)
        if end in {S.FAILED, S.CANCELLED}:
            return plans.fail(db, row_id, JOB, Ending(end, now))
        [(org_id,)] = db.execute("SELECT org_id FROM automations WHERE id = ?", (row_id,))
        row = msgspec.structs.replace(automations.get(db, org_id, row_id), state=end)
        return plans.end(db, row, JOB, now)

    return step


def end_unapproved(row_id: str, ending: Ending) -> Callable[[Connection], bool]:
    return lambda db: automation_transitions.end_unapproved(db, row_id, ending)


def end_paused(row_id: str, ending: Ending) -> Callable[[Connection], bool]:
    return lambda db: pauses.end_automation(db, row_id, ending)


def test_what_has_ended_is_left_by_the_truth_alone() -> None:
    assert {state for state in FINAL if TRANSITIONS[state]} == {S.UNKNOWN}
    assert all(TRANSITIONS[state] for state in UNFINISHED)


def test_the_pages_know_the_same_states() -> None:
    source = (CHECKOUT / "assets/components/states.js").read_text()

    assert words(source, r"STATES = \[(.*?)\]") == list(AutomationState)
    assert set(words(source, r"UNFINISHED = new Set\(\[(.*?)\]\)")) == UNFINISHED


def words(source: str, pattern: str) -> list[str]:
    [listed] = re.findall(pattern, source, re.DOTALL)
    return re.findall(r'"([a-z_]+)"', listed)
