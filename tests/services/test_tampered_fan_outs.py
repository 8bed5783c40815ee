"""Somebody alters the rows of an automation on several machines: nothing more runs for it."""

from __future__ import annotations

import pytest

from tests.services.fanning import Fanning
from tests.services.scheduling import started


def test_a_row_that_is_set_back_makes_no_second_part(fanning: Fanning) -> None:
    fanning.push().run().carry_out("e1")

    fanning.core.database.write(
        lambda db: db.execute(
            "UPDATE fan_out_members SET state = 'due', automation_id = NULL WHERE name = 'e1'"
        )
    )
    fanning.turn()

    assert len(started(fanning.core, fanning.actor)) == 4
    [target] = [each for each in fanning.targets if each.name == "e1"]
    assert target.reason == "by the record it was started before"


def test_a_success_that_only_a_row_knows_is_none(fanning: Fanning) -> None:
    fanning.push().run().carry_out("e1").carry_out("e2")
    e3 = fanning.part("e3").id

    fanning.core.database.write(
        lambda db: db.execute("UPDATE automations SET state = 'succeeded' WHERE id = ?", (e3,))
    )
    fanning.turn()

    assert fanning.now.state == "failed"
    assert "on e3: by the record patch has not ended succeeded" in fanning.now.explanation


@pytest.mark.parametrize(
    "changes",
    [
        ["DELETE FROM fan_out_members WHERE name = 'e3'"],
        [
            "DELETE FROM fan_out_members WHERE name = 'e3'",
            "UPDATE automations SET fan_out = replace(fan_out, 'e3', 'e2') WHERE fan_out <> ''",
        ],
        ["UPDATE automations SET fan_out = '{' WHERE fan_out <> ''"],
    ],
)
def test_machines_that_were_taken_out_of_the_rows_make_the_whole_fail(
    fanning: Fanning, changes: list[str]
) -> None:
    fanning.push("labels: {role: edge}, parallel: 1").run().carry_out("e1").carry_out("e2")

    for change in changes:
        fanning.core.database.write(lambda db, sql=change: db.execute(sql))
    fanning.poll().turn()

    assert fanning.now.state == "failed"
    assert any(why in fanning.now.explanation for why in ("bound to", "altered", "be read"))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE automations SET member_of = replace(member_of, :e3, :e1) WHERE id = :part",
        "UPDATE automations SET requirements = replace(requirements, :e3, :e1) WHERE id = :part",
        "UPDATE automations SET fan_out = replace(fan_out, 'e3', 'e9') WHERE fan_out <> ''",
        "UPDATE automations SET member_of = '' WHERE id = :part",
    ],
)
def test_a_part_that_was_altered_is_not_run(fanning: Fanning, change: str) -> None:
    fanning.push().run()
    part = fanning.part("e3").id
    given = {
        "part": part,
        "e1": fanning.workers["e1"].actor.worker_id,
        "e3": fanning.workers["e3"].actor.worker_id,
    }
    given = {name: value for name, value in given.items() if f":{name}" in change}

    fanning.core.database.write(lambda db: db.execute(change, given))
    fanning.core.services.jobs.refresh_queue()

    leased = [work for worker in fanning.workers.values() for work in worker.poll().work]
    assert part not in {work.automation_id for work in leased}
