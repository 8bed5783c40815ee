"""Which version of which template last succeeded on which target, and how it went there last."""

from __future__ import annotations

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import NotAllowed, NotFound
from opsicle.server.access.actor import Actor
from opsicle.server.automations.target_last_runs import WantedLastRuns
from opsicle.server.store.migrations import STATE_MIGRATIONS
from opsicle.wire.target_api import TargetLastRun
from tests.services.core import Core
from tests.services.targeting import Reaching, push_target, targets_source, with_rules

VIEWING = ("allow view targets", "allow view templates", "allow view automations")


@pytest.fixture
def reaching(core: Core, alice: Actor) -> Reaching:
    """Return an org with the targets db1, web1 and web2, the last two of a template."""
    carol = core.person(alice.org_id, "carol", BuiltInRole.ADMIN)
    return Reaching(core, alice, pusher=carol).push("labels: {role: web}, maxFailures: 2")


def run(reaching: Reaching, **states: str) -> None:
    """Run it on both targets: it succeeds, save where `states` says otherwise."""
    reaching.run()
    for name, work in reaching.take_all().items():
        state = states.get(name, "succeeded")
        reaching.reaching.finish(work, state, 0 if state == "succeeded" else 1)
    reaching.turn()


def push_next_version(reaching: Reaching) -> None:
    source = targets_source("labels: {role: web}, maxFailures: 2", "timeout: 99")
    reaching.core.push_again(reaching.carol, source)


def shown(reaching: Reaching, actor: Actor | None = None, **wanted: object) -> dict[str, list[str]]:
    """Return by target what is shown, such as `patch 1/2 failed 2`."""
    page = reaching.core.services.target_last_runs.list_by_target(
        actor or reaching.actor,
        WantedLastRuns(**wanted),  # type: ignore[arg-type]
        "",
        50,
    )
    return {row.target: [_text(each) for each in row.templates] for row in page.items}


def _text(each: TargetLastRun) -> str:
    version = each.succeeded.version if each.succeeded else "-"
    behind = f"/{each.latest_version}" if each.is_behind else ""
    return f"{each.template} {version}{behind} {each.last_run.state} {each.last_run.version}"


def test_each_target_shows_the_version_that_last_succeeded_and_how_it_went_last(
    reaching: Reaching,
) -> None:
    run(reaching)
    push_next_version(reaching)

    run(reaching, web2="failed")

    assert shown(reaching) == {
        "db1": [],
        "web1": ["patch 2 succeeded 2"],
        "web2": ["patch 1/2 failed 2"],
    }
    assert shown(reaching, needs_attention=True) == {"web2": ["patch 1/2 failed 2"]}
    assert shown(reaching, target="web1") == {"web1": ["patch 2 succeeded 2"]}
    assert shown(reaching, template="patch")["web1"] == ["patch 2 succeeded 2"]
    for wrong in ({"template": "other"}, {"target": "other"}):
        with pytest.raises(NotFound):
            shown(reaching, **wrong)


def test_what_never_began_leaves_what_is_shown(reaching: Reaching) -> None:
    run(reaching)
    reaching.run()

    reaching.core.automations.cancel(reaching.actor, reaching.automation.id)
    reaching.turn()

    assert reaching.states == {"web1": "cancelled", "web2": "cancelled"}
    assert shown(reaching)["web1"] == ["patch 1 succeeded 1"]


def test_the_truth_about_a_lost_run_does_not_take_the_place_of_a_later_one(
    core: Core, reaching: Reaching
) -> None:
    reaching.run()
    lost = reaching.take_all()
    core.clock.advance(600)
    core.services.jobs.expire()
    reaching.turn()
    assert shown(reaching)["web1"] == ["patch - unknown 1"]
    core.clock.advance(1)
    push_next_version(reaching)
    run(reaching, web1="failed")

    for work in lost.values():
        reaching.reaching.finish(work)

    assert shown(reaching)["web1"] == ["patch 1/2 failed 2"]
    assert shown(reaching)["web2"] == ["patch 2 succeeded 2"]


def test_a_target_made_anew_begins_without(core: Core, reaching: Reaching) -> None:
    run(reaching)
    reaching.run()
    works = reaching.take_all()
    core.services.targets.delete(reaching.carol, "web1")
    core.clock.advance(1)
    push_target(core, reaching.carol, name="web1", labels="role: web")

    for work in works.values():
        reaching.reaching.finish(work)

    assert shown(reaching) == {"db1": [], "web1": [], "web2": ["patch 1 succeeded 1"]}


def test_nobody_is_shown_targets_or_templates_that_rules_hide_from_them(
    reaching: Reaching,
) -> None:
    run(reaching)

    without_web1 = with_rules(reaching.carol, *VIEWING, "deny view targets/web1")
    without_patch = with_rules(reaching.carol, *VIEWING, "deny view templates/patch")

    assert shown(reaching, without_web1) == {"db1": [], "web2": ["patch 1 succeeded 1"]}
    assert shown(reaching, without_patch) == {"db1": [], "web1": [], "web2": []}
    for actor, wanted in (
        (without_web1, {"target": "web1"}),
        (without_patch, {"template": "patch"}),
    ):
        with pytest.raises(NotFound):
            shown(reaching, actor, **wanted)
    for missing in ("view targets", "view automations"):
        rules = [each for each in VIEWING if missing not in each]
        with pytest.raises(NotAllowed):
            shown(reaching, with_rules(reaching.carol, *rules))


def test_another_org_is_shown_nothing_of_it(core: Core, reaching: Reaching) -> None:
    run(reaching)
    mallory = core.person(core.org("other"), "mallory", BuiltInRole.ADMIN)

    assert shown(reaching, mallory) == {}


def test_an_upgrade_finds_the_same_in_what_ran_before(core: Core, reaching: Reaching) -> None:
    run(reaching)
    push_next_version(reaching)
    run(reaching, web2="failed")
    before = shown(reaching)
    migration = (STATE_MIGRATIONS / "0070_target_last_runs.sql").read_text()
    [insert] = [each for each in migration.split("\n\n") if each.startswith("INSERT")]

    def refill(db: object) -> None:
        db.execute("DELETE FROM target_last_runs")  # type: ignore[attr-defined]
        db.execute(insert)  # type: ignore[attr-defined]

    core.database.write(refill)

    assert shown(reaching) == before
