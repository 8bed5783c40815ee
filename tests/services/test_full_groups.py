"""What becomes of an automation whose concurrency group is full: it waits, is refused, replaces."""

from __future__ import annotations

import pytest

from opsicle.domain.errors import Conflict
from opsicle.server.access.actor import Actor
from tests.services.core import Core
from tests.services.queueing import drain, given, grouped
from tests.services.team import Team, template_source


def test_a_full_group_rejects_and_names_those_that_hold_it(core: Core, alice: Actor) -> None:
    core.push(alice, grouped("once", ", onLimit: reject"))
    worker = core.worker(alice.org_id, "w1", slots=8)
    first = core.run(alice, "once")

    for _ in ("waits", "runs"):
        with pytest.raises(Conflict) as refused:
            core.run(alice, "once")
        assert "group db/orders is full: at most 1" in refused.value.message
        assert [problem.path for problem in refused.value.problems] == [f"automations/{first.id}"]
        given(worker)

    core.run(alice, "once", database="users")
    [work] = [each for each in worker.held.values() if each.automation_id == first.id]
    worker.finish(work)
    core.run(alice, "once")


def test_the_newest_replaces_what_waits_and_leaves_alone_what_runs(
    core: Core, alice: Actor
) -> None:
    core.push(alice, grouped("backup"))
    workers = [core.worker(alice.org_id, name, slots=8) for name in ("w1", "w2")]
    core.push(alice, grouped("deploy", ", onLimit: replace"))
    runs = core.run(alice, "deploy")
    given(workers[0])
    queued = core.run(alice, "backup")
    older, newer = core.run(alice, "deploy"), core.run(alice, "deploy")

    assert [core.state(alice, each) for each in (runs, queued, older, newer)] == [
        "running",
        "queued",
        "cancelled",
        "queued",
    ]
    why = core.automations.get(alice, older.id).explanation
    assert why == f"it was not run: it was replaced by {newer.id}"
    [work] = workers[0].held.values()
    workers[0].finish(work)
    assert drain(workers[0]) == [queued.id, newer.id]


def in_group(said: str) -> str:
    return template_source("careful").replace(
        "  template:", f"  concurrency: {{group: db, by: [target]{said}}}\n  template:"
    )


@pytest.mark.parametrize(
    ("said", "state"),
    [("", "queued"), (", onLimit: reject", "cancelled"), (", onLimit: replace", "cancelled")],
    ids=["queue", "reject", "replace"],
)
def test_an_approval_that_comes_late_finds_the_group_as_it_is_then(
    core: Core, said: str, state: str
) -> None:
    team = Team(core)
    team.policy()
    core.push(team.people["alice"], in_group(said))
    worker = core.worker(team.org_id, "w1", slots=8)
    early, late = team.ask(), team.ask()
    team.approve("bob", late)
    if said != ", onLimit: replace":
        given(worker)

    team.approve("bob", early)
    given(worker)

    assert team.state(early) == state
    assert team.state(late) == "running"


def test_an_approved_automation_that_is_rejected_ends_though_no_worker_looks(core: Core) -> None:
    team = Team(core)
    team.policy()
    core.push(team.people["alice"], in_group(", onLimit: reject"))
    early, late = team.ask(), team.ask()
    team.approve("bob", early)
    team.approve("bob", late)

    core.jobs.refresh_queue()

    assert (team.state(early), team.state(late)) == ("queued", "cancelled")
    assert "is full: at most 1 at once" in team.why(late)
