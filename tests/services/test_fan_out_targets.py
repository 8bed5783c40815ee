"""Templates that run on each of several targets, by whichever workers reach them."""

from __future__ import annotations

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import Conflict, NotAllowed, NotFound
from opsicle.server.access.actor import Actor
from opsicle.wire.starts import ResumeRequest
from opsicle.wire.user_api import RunRequest
from tests.services.core import Core
from tests.services.scheduling import started
from tests.services.targeting import (
    ALLOWED,
    KEY,
    Reaching,
    push_target,
    targets_source,
    with_rules,
)


@pytest.fixture
def reaching(core: Core, alice: Actor) -> Reaching:
    """Return an org with three targets and a worker; nothing runs yet."""
    carol = core.person(alice.org_id, "carol", BuiltInRole.ADMIN)
    reaching = Reaching(core, alice, pusher=carol)
    return reaching.push()


def test_each_target_gets_a_job_with_its_own_host_and_key(reaching: Reaching) -> None:
    reaching.run()

    works = reaching.take_all()

    assert sorted(works) == ["web1", "web2"]
    target = works["web1"].target
    assert target is not None
    assert (target.key, target.name) == (KEY, "web1")
    assert works["web1"].secret_values == {}
    assert KEY not in repr(works["web1"])
    assert KEY.encode() not in works["web1"].manifest
    for work in works.values():
        reaching.reaching.finish(work)
    assert reaching.turn().now.state == "succeeded"
    assert [(each.name, each.state, each.exit_code) for each in reaching.targets] == [
        ("web1", "succeeded", 0),
        ("web2", "succeeded", 0),
    ]


def test_a_worker_without_ssh_is_given_none_and_the_part_says_so(reaching: Reaching) -> None:
    reaching.reaching.runtimes = ("subprocess",)
    reaching.reaching.poll()

    reaching.run()

    assert reaching.reaching.poll().work == ()
    assert "reaches targets over SSH" in reaching.part("web1").waiting_reason


def test_only_a_worker_that_reaches_a_target_gets_its_job(
    core: Core, alice: Actor, reaching: Reaching
) -> None:
    carol = reaching.carol
    push_target(core, carol, "runsOn: {labels: {site: ams}}", name="web2", labels="role: web")
    inside = reaching.worker("inside", site="ams")

    reaching.run()

    assert list(reaching.take_all()) == ["web1"]
    [work] = inside.poll().work
    assert work.target is not None
    assert work.target.name == "web2"
    assert b'"runs_on":{"site":"ams"}' in work.manifest


@pytest.mark.parametrize("change", ["changed", "deleted"])
def test_a_target_that_is_not_what_it_was_gets_no_job(reaching: Reaching, change: str) -> None:
    carol = reaching.carol
    reaching.automation = reaching.core.run(reaching.actor, "patch")
    if change == "changed":
        push_target(reaching.core, carol, "port: 2222", name="web1", labels="role: web")
    else:
        reaching.core.services.targets.delete(carol, "web1")

    reaching.turn()

    assert list(reaching.take_all()) == ["web2"]
    [web1, _] = reaching.targets
    assert (web1.name, web1.state) == ("web1", "failed")
    assert web1.reason == f"the target web1 was {change} since"


def test_a_target_that_changes_while_its_part_waits_gets_no_job(reaching: Reaching) -> None:
    carol = reaching.carol
    reaching.run()
    push_target(reaching.core, carol, "port: 2222", name="web1", labels="role: web")

    assert list(reaching.take_all()) == ["web2"]
    reaching.turn()

    assert "the target web1 was changed since" in reaching.part("web1").explanation
    assert reaching.states["web1"] == "cancelled"


def test_whoever_may_not_use_a_target_runs_nothing_on_it(reaching: Reaching) -> None:
    kept_out = with_rules(reaching.actor, *ALLOWED, "deny execute targets/web2")

    with pytest.raises(NotAllowed):
        reaching.core.automations.create(kept_out, RunRequest(template="patch"))

    assert started(reaching.core, reaching.actor) == []


def test_a_name_that_is_none_and_labels_that_fit_nothing_are_said_at_the_trigger(
    reaching: Reaching,
) -> None:
    carol = reaching.carol
    reaching.core.push_again(carol, targets_source("names: [web1, gone]"))
    with pytest.raises(NotFound, match="no target gone"):
        reaching.core.run(reaching.actor, "patch")

    reaching.core.push_again(carol, targets_source("where: role=mail"))
    with pytest.raises(Conflict, match="runs on each target that fits, and none does"):
        reaching.core.run(reaching.actor, "patch")


def test_five_run_at_once_unless_told(reaching: Reaching) -> None:
    carol = reaching.carol
    for number in range(3, 8):
        push_target(reaching.core, carol, name=f"web{number}", labels="role: web")

    reaching.run()

    assert sum(each.automation_id is not None for each in reaching.targets) == 5


def test_resuming_goes_on_with_the_targets_that_are_left(reaching: Reaching) -> None:
    reaching.run()
    works = reaching.take_all()
    reaching.reaching.finish(works["web1"])
    reaching.reaching.finish(works["web2"], "failed", 4)
    reaching.turn()

    again = reaching.core.services.resumes.resume(
        reaching.actor, reaching.automation.id, ResumeRequest()
    )

    assert [each.name for each in again.targets] == ["web2"]


def test_resuming_leaves_no_target_out_that_no_longer_fits(reaching: Reaching) -> None:
    reaching.run()
    works = reaching.take_all()
    for name in ("web1", "web2"):
        reaching.reaching.finish(works[name], "failed", 4)
    reaching.turn()
    push_target(reaching.core, reaching.carol, name="web1", labels="role: db")

    with pytest.raises(
        Conflict, match="has not succeeded on web1, which the template no longer fits"
    ):
        reaching.core.services.resumes.resume(
            reaching.actor, reaching.automation.id, ResumeRequest()
        )
    reaching.core.services.targets.delete(reaching.carol, "web2")
    with pytest.raises(Conflict, match="runs on each target that fits of web1, web2"):
        reaching.core.services.resumes.resume(
            reaching.actor, reaching.automation.id, ResumeRequest()
        )


def test_a_part_is_run_again_with_the_right_to_its_own_target_alone(reaching: Reaching) -> None:
    reaching.run()
    works = reaching.take_all()
    for name in ("web1", "web2"):
        reaching.reaching.finish(works[name], "failed", 4)
    reaching.turn()
    web1, web2 = (each.automation_id or "" for each in reaching.targets)
    kept_out = with_rules(
        reaching.actor, *ALLOWED, "allow view automations", "deny execute targets/web2"
    )

    again = reaching.core.automations.rerun(kept_out, web1)

    assert [each.name for each in again.targets] == ["web1"]
    for other in (web2, reaching.automation.id):
        with pytest.raises(NotAllowed):
            reaching.core.automations.rerun(kept_out, other)


def test_a_plan_runs_once_on_the_first_target(reaching: Reaching) -> None:
    carol = reaching.carol
    plan = 'plan: [{name: look, commands: ["true"]}]'
    reaching.core.push_again(carol, targets_source("labels: {role: web}", plan))
    reaching.automation = reaching.core.run(reaching.actor, "patch")

    [planned] = reaching.reaching.poll().work
    reaching.reaching.start(planned)

    assert planned.is_plan
    assert planned.target is not None
    assert planned.target.name == "web1"
    reaching.reaching.finish(planned)
    assert sorted(reaching.turn().take_all()) == ["web1", "web2"]


def test_a_key_that_is_gone_fails_the_job_and_hands_out_nothing(reaching: Reaching) -> None:
    carol = reaching.carol
    reaching.run()
    reaching.core.services.secrets.delete(carol, "web-key")

    work = reaching.take_all()["web1"]

    assert work.withheld == "the secret web-key was deleted before the automation began"
    assert work.target is not None
    assert work.target.key == ""
