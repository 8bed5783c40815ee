"""Who is told how an automation ended, because its template says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.server.store import groups, rule_sets
from opsicle.server.store.rule_sets import RuleSetKind, RuleSetRow
from opsicle.wire.user_api import Automation
from opsicle.wire.worker_api import RefuseRequest
from tests.services.core import Core, TestWorker
from tests.services.team import Team, template_source

FINISHED = "automation_finished"
NOTIFIED = """
  notify:
    - {users: [Rita@example.com, nobody@example.com], chats: [{channel: telegram, id: -100200}]}
    - {states: [failed, unknown, rejected], groups: [sre, absent]}
"""


def plain(name: str = "plain", notify: str = NOTIFIED) -> str:
    source = template_source(name, "{policyRef: p}").replace(
        "  approvalPolicy: {policyRef: p}\n", ""
    )
    return source + notify


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    """Return an org in which Dave is a member of the group sre."""
    team = Team(Core(tmp_path))

    core, now = team.core, team.core.clock.now()
    core.push(team.people["alice"], plain())
    core.push(team.people["alice"], template_source("careful") + NOTIFIED)
    core.database.write(
        lambda db: rule_sets.insert(
            db, RuleSetKind.GROUP, team.org_id, RuleSetRow("sre", "", "[]", now, now)
        )
    )
    core.database.write(
        lambda db: groups.add(db, team.org_id, "sre", team.people["dave"].user_id, now, 0)
    )

    yield team
    team.core.close()


def told(team: Team) -> list[set[str]]:
    return team.notified(FINISHED)


def rooms(team: Team) -> list[str]:
    return [target for (target,) in team.deliveries(FINISHED, "target", "telegram")]


def subjects(team: Team) -> list[str]:
    return [subject for (subject,) in team.deliveries(FINISHED, "subject", "telegram")]


def begin(team: Team, template: str = "plain") -> tuple[TestWorker, Automation]:
    automation = team.ask(template)
    return team.core.worker(team.org_id, "w"), automation


@pytest.mark.parametrize(
    ("state", "people"),
    [
        ("succeeded", {"rita"}),
        ("failed", {"alice", "rita", "dave"}),
        ("unknown", {"alice", "rita", "dave"}),
        ("timed_out", {"alice", "rita"}),
        ("cancelled", {"alice", "rita"}),
    ],
)
def test_whom_the_template_names_for_this_end_is_told_beside_the_requester(
    team: Team, state: str, people: set[str]
) -> None:
    worker, _ = begin(team)
    (work,) = worker.poll().work

    worker.start(work)

    assert worker.finish(work, state, None) == state
    assert (told(team), rooms(team)) == ([people], ["-100200"])


def test_a_lost_worker_is_told_of(team: Team) -> None:
    worker, automation = begin(team)
    (work,) = worker.poll().work
    worker.start(work)

    team.core.clock.advance(seconds=600)
    team.core.jobs.expire()

    assert team.state(automation) == "unknown"
    assert told(team) == [{"alice", "rita", "dave"}]


def test_an_order_that_its_worker_refuses_is_told_of(team: Team) -> None:
    worker, automation = begin(team)
    (work,) = worker.poll().work

    team.core.jobs.refuse(
        worker.actor, work.job_id, RefuseRequest(fence=work.fence, reason="altered")
    )

    assert team.state(automation) == "cancelled"
    assert told(team) == [{"alice", "rita"}]


def test_what_was_altered_is_told_of_even_if_its_template_cannot_be_read_any_more(
    team: Team,
) -> None:
    worker, automation = begin(team)
    team.tamper("UPDATE automations SET values_json = '{}' WHERE id = :id", id=automation.id)

    assert worker.poll().work == ()
    assert told(team) == [{"alice", "rita"}]

    team.core.clock.advance(1)
    worse = team.ask("plain")
    team.tamper("DROP TRIGGER template_versions_are_immutable")

    team.tamper("UPDATE template_versions SET document = '{]'")

    assert worker.poll().work == ()

    team.tamper(
        "UPDATE template_versions SET document = :document", document='{"name":"plain","phases":[]}'
    )
    assert team.state(worse) == "cancelled"
    assert told(team)[1:] == [{"alice"}]


def test_a_rejection_and_an_expiry_are_told_to_whom_the_template_names(team: Team) -> None:
    team.policy()
    team.reject("bob", team.ask("careful"))

    assert told(team) == [{"rita", "dave"}]

    expired = team.ask("careful")

    team.core.clock.advance(seconds=2 * 86_400)
    team.core.approvals.keep_time()

    assert team.state(expired) == "expired"
    assert told(team)[1:] == [{"rita"}]
    assert subjects(team) == ["careful rejected", "careful expired"]
    assert [len(each) for each in team.notified("approval_ended")] == [2, 1]


def test_who_cancels_what_another_asked_for_tells_them(team: Team) -> None:
    team.core.automations.cancel(team.people["alice"], team.ask("plain").id)
    assert told(team) == [{"rita"}]

    team.core.clock.advance(1)
    team.core.automations.cancel(team.people["carol"], team.ask("plain").id)

    assert told(team)[1:] == [{"alice", "rita"}]
    assert subjects(team)[1] == "plain cancelled by carol@example.com"


def test_who_cancels_or_withdraws_what_waits_for_approval_tells_as_well(team: Team) -> None:
    team.policy()
    team.core.automations.cancel(team.people["carol"], team.ask("careful").id)

    assert told(team) == [{"alice", "rita"}]

    team.core.clock.advance(1)
    asked = team.ask("careful")

    team.core.approvals.withdraw(team.people["alice"], asked.approval_id or "")

    assert told(team)[1:] == [{"rita"}]


def test_a_template_that_names_nobody_tells_nobody_else(team: Team) -> None:
    team.core.push(team.people["alice"], plain("quiet", ""))
    team.core.automations.cancel(team.people["alice"], team.ask("quiet").id)

    assert told(team) == []

    team.core.automations.cancel(team.people["carol"], team.ask("quiet").id)
    assert (told(team), rooms(team)) == ([{"alice"}], [])


def test_the_version_that_ran_says_who_is_told(team: Team) -> None:
    worker, _ = begin(team)
    team.core.push_again(
        team.people["carol"], plain(notify="\n  notify: [{users: [mallory@example.com]}]\n")
    )
    (work,) = worker.poll().work
    worker.start(work)

    worker.finish(work)

    assert told(team) == [{"rita"}]


def test_nobody_outside_the_org_is_told_nor_whoever_was_disabled(team: Team) -> None:
    other = team.core.org("globex")
    team.core.person(other, "nobody", BuiltInRole.ADMIN)
    team.change("rita", is_disabled=True)
    team.change("dave", is_disabled=True)
    worker, _ = begin(team)
    (work,) = worker.poll().work
    worker.start(work)

    worker.finish(work, "failed", 1)

    assert told(team) == [{"alice"}]


def test_what_is_rolled_back_is_not_told(team: Team) -> None:
    """A second finish of the same job changes nothing and tells nobody again."""
    worker, _ = begin(team)
    (work,) = worker.poll().work
    worker.start(work)
    worker.finish(work)

    worker.finish(work)

    assert told(team) == [{"rita"}]
