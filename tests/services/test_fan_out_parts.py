"""The parts of what runs on several machines: what they are handed, and how long they are kept."""

from __future__ import annotations

from datetime import timedelta

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import Unreadable
from opsicle.server.access.actor import Actor
from opsicle.server.automations.retention import Retention, RetentionPeriods
from opsicle.server.store import fan_outs
from opsicle.server.store.database import Connection
from opsicle.server.store.fan_outs import FanOutMemberRow
from opsicle.wire.starts import ResumeRequest, StarterKind
from tests.services.core import Core
from tests.services.fanning import Fanning, each_source
from tests.services.scheduling import started


def test_what_is_secret_reaches_each_part(core: Core, alice: Actor) -> None:
    fanning = Fanning(core, alice)
    fanning.push("labels: {role: edge}", "variables: [{id: pin, type: secret}, {id: who}]")
    fanning.automation = core.run(alice, "patch", pin="s3cret-4711", who="ann")

    works = [fanning.turn().take(name) for name in ("e1", "e2")]

    for work in works:
        assert work.secret_environment == {"OPSICLE_VAR_PIN": "s3cret-4711"}
        assert work.environment == {"OPSICLE_VAR_WHO": "ann"}
    assert "s3cret-4711" not in str(fanning.part("e1").values)


def test_a_part_whose_requester_has_left_is_not_made(core: Core, alice: Actor) -> None:
    fanning = Fanning(core, alice)
    fanning.push("labels: {role: edge}, parallel: 1").run()
    carol = core.person(alice.org_id, "carol", BuiltInRole.ADMIN)
    core.database.write(
        lambda db: db.execute(
            "UPDATE memberships SET role = 'reporter' WHERE user_id = ?", (alice.user_id,)
        )
    )
    [work] = fanning.workers["e1"].poll().work or [None]

    assert work is None
    fanning.actor = carol
    assert fanning.turn().now.state == "failed"
    assert "may no longer run templates" in fanning.part("e1").explanation


def test_retention_removes_the_machines_with_the_whole(core: Core, alice: Actor) -> None:
    fanning = Fanning(core, alice)
    fanning.push().run().carry_out("e1").carry_out("e2").carry_out("e3")
    core.clock.advance(400 * 86_400)

    day = timedelta(days=1)
    keep = RetentionPeriods(day, automations=day)
    Retention(core.database, core.job_logs, core.clock).prune(keep)

    assert core.database.read(lambda db: fan_outs.list_of(db, fanning.automation.id)) == []
    assert started(core, fanning.actor) == []


def test_a_machine_is_used_up_once_and_not_after_a_cancel(core: Core, alice: Actor) -> None:
    fanning = Fanning(core, alice).push("labels: {role: edge}, parallel: 1").run()
    rows = core.database.read(lambda db: fan_outs.list_of(db, fanning.automation.id))

    def is_claimed(row: FanOutMemberRow) -> bool:
        return core.database.write(lambda db: fan_outs.claim(db, row, "another", core.clock.now()))

    assert not is_claimed(rows[0])
    core.automations.cancel(alice, fanning.automation.id)
    assert not is_claimed(rows[1])


def test_only_the_whole_starts_what_follows_it(core: Core, alice: Actor) -> None:
    fanning = Fanning(core, alice).push("labels: {role: edge}", "onSuccess: [{template: hello}]")
    fanning.run().carry_out("e1").carry_out("e2").carry_out("e3")

    core.services.chain_starts.turn()

    assert [each.started_by.kind for each in started(core, alice) if each.template == "hello"] == [
        StarterKind.CHAIN
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("", "what patch calls at `act` has not succeeded"),
        (
            "DELETE FROM fan_out_members",
            "what is stored of its machines is not what it was bound to",
        ),
    ],
)
def test_parts_that_left_out_what_they_were_to_call_are_followed_by_nothing(
    core: Core, alice: Actor, change: str, reason: str
) -> None:
    fanning = Fanning(core, alice).push()
    source = each_source("labels: {role: edge}", "onSuccess: [{template: hello}]")
    act = '{name: act, outputs: [found], commands: ["true"]}'
    core.push_again(alice, source.replace(act, "{name: act, call: {template: hello}}"))
    fanning.run().carry_out("e1").carry_out("e2").carry_out("e3").turn()

    core.database.write(lambda db: db.execute(change))
    core.services.chain_starts.turn()

    [start] = core.automations.get(alice, fanning.automation.id).chained_starts
    assert start.state == "refused"
    assert start.reason == reason


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE automations SET state = 'succeeded' WHERE id = :e3",
        "UPDATE fan_out_members SET name = 'e1' WHERE name = 'e3'",
        "DELETE FROM fan_out_members WHERE name = 'e3'",
    ],
)
def test_a_machine_on_which_only_a_row_knows_of_a_success_is_gone_on_with(
    core: Core, alice: Actor, change: str
) -> None:
    fanning = Fanning(core, alice).push().run()
    fanning.carry_out("e1").carry_out("e2", "failed", 1).carry_out("e3", "failed", 1)
    given = {"e3": fanning.part("e3").id} if ":e3" in change else {}

    core.database.write(lambda db: db.execute(change, given))
    fanning.automation = core.services.resumes.resume(alice, fanning.automation.id, ResumeRequest())

    assert list(fanning.states) == ["e2", "e3"]


@pytest.mark.parametrize("ended", [False, True])
def test_no_part_is_made_of_what_the_record_says_was_cancelled(
    core: Core, alice: Actor, ended: bool
) -> None:
    fanning = Fanning(core, alice)
    fanning.push("labels: {role: edge}, parallel: 1, maxFailures: 3").run().carry_out("e1")
    core.automations.cancel(alice, fanning.automation.id)
    if ended:
        fanning.turn()

    def set_back(db: Connection) -> None:
        db.execute("DROP TRIGGER IF EXISTS automations_stay_final")
        db.execute("UPDATE fan_out_members SET state = 'due' WHERE automation_id IS NULL")
        db.execute(
            "UPDATE automations SET state = 'running', cancel_requested_at = NULL, job_id = id "
            "WHERE fan_out <> ''"
        )

    made = len(started(core, alice))
    core.database.write(set_back)
    if not ended:
        fanning.carry_out("e2")
    fanning.turn()

    assert len(started(core, alice)) == made


def test_of_a_part_that_was_altered_beyond_reading_people_are_told_so(
    core: Core, alice: Actor
) -> None:
    fanning = Fanning(core, alice).push().run()
    fanning.carry_out("e1", "failed", 1).carry_out("e2").carry_out("e3")
    part = fanning.part("e1").id
    core.database.write(
        lambda db: db.execute("UPDATE automations SET member_of = '{}' WHERE id = ?", (part,))
    )

    with pytest.raises(Unreadable, match=f"what {part} is a part of cannot be read"):
        core.services.resumes.resume(alice, part, ResumeRequest())
    with pytest.raises(Unreadable, match=f"what {part} is a part of cannot be read"):
        core.automations.rerun(alice, part)
