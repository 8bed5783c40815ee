"""A decision reads the approval once and answers how it stands.

Only who asks to see it whole is shown that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from opsicle.domain.approvals import ApprovalState, Verdict
from opsicle.domain.errors import Conflict
from opsicle.server.channels.chats import ChatDecision, ChatPerson
from opsicle.server.store import channels, chat_links
from opsicle.server.store.chat_links import LinkRow
from opsicle.wire.approval_api import DecisionRequest
from opsicle.wire.user_api import Automation
from tests.services.team import Team, template_source

BOSS_AND_DAVE = (
    "{name: boss, approvers: {manager: true}},"
    " {name: office, approvers: {users: [dave@example.com]}}"
)


@pytest.fixture
def asked(team: Team) -> Automation:
    """Ask two people, about a template of which an older version was approved and ran."""
    team.policy(BOSS_AND_DAVE)
    earlier = team.ask()
    team.approve("bob", earlier)
    team.approve("dave", earlier)

    worker = team.core.worker(team.org_id, "w1")
    [work] = worker.poll().work
    worker.start(work)
    worker.finish(work)

    team.core.push_again(
        team.people["carol"], template_source("careful", command="echo something else")
    )
    return team.ask()


@contextmanager
def reads(team: Team) -> Iterator[list[str]]:
    """Record the statements that are run on both connections meanwhile."""
    found: list[str] = []
    database = team.core.database

    def note(event: dict[str, str]) -> None:
        found.append(" ".join(event["sql"].split()))

    database.read(lambda db: db.trace_v2(1, note))  # SQLITE_TRACE_STMT
    database.write(lambda db: db.trace_v2(1, note))
    yield found
    database.read(lambda db: db.trace_v2(0, None))
    database.write(lambda db: db.trace_v2(0, None))


def decide(team: Team, who: str, asked: Automation, verdict: Verdict = Verdict.APPROVE):
    return team.core.approvals.decide(
        team.people[who], asked.approval_id or "", verdict, DecisionRequest()
    )


def test_a_decision_says_who_has_to_agree_still_and_then_that_it_is_approved(
    team: Team, asked: Automation
) -> None:
    first = decide(team, "bob", asked)
    assert (first.state, first.waiting_for) == (
        ApprovalState.PENDING,
        "office: 1 of dave@example.com",
    )
    assert first.waiting_for == team.show("bob", asked).waiting_for

    last = decide(team, "dave", asked)
    assert (last.state, last.waiting_for, last.template) == (ApprovalState.APPROVED, "", "careful")
    assert team.state(asked) == "queued"


def test_saying_it_again_says_how_it_stands(team: Team, asked: Automation) -> None:
    first = decide(team, "bob", asked)
    assert decide(team, "bob", asked) == first

    decide(team, "dave", asked, Verdict.REJECT)
    assert decide(team, "bob", asked).state is ApprovalState.REJECTED


def test_what_was_withdrawn_stays_so_for_whoever_had_decided(team: Team, asked: Automation) -> None:
    decide(team, "bob", asked)
    team.core.approvals.withdraw(team.people["alice"], asked.approval_id or "")

    assert decide(team, "bob", asked).state is ApprovalState.WITHDRAWN
    with pytest.raises(Conflict, match="it is withdrawn"):
        decide(team, "dave", asked)


def test_a_decision_reads_the_approval_and_its_documents_once(
    team: Team, asked: Automation
) -> None:
    with reads(team) as statements:
        decide(team, "bob", asked)

    assert len([sql for sql in statements if "FROM approvals WHERE" in sql]) == 1
    assert len([sql for sql in statements if "SELECT document FROM template_versions" in sql]) == 1
    assert [sql for sql in statements if "source FROM template_versions" in sql] == []


def test_a_decision_by_chat_builds_no_diff_for_its_one_line(team: Team, asked: Automation) -> None:
    core, bob = team.core, team.people["bob"]
    link = LinkRow("telegram", "7", team.org_id, bob.user_id, "7", core.clock.now())
    core.database.write(lambda db: chat_links.put(db, link))
    channel = core.database.read(lambda db: channels.find(db, team.org_id, "telegram"))
    person, decision = (
        ChatPerson(channel, "7", "7"),
        ChatDecision(asked.approval_id or "", Verdict.APPROVE),
    )

    with reads(team) as statements:
        said = core.services.chats.decide_as(person, decision)

    assert said.text == "Approved. It still waits for office: 1 of dave@example.com."
    assert [sql for sql in statements if "source FROM template_versions" in sql] == []
    assert core.approvals.get(bob, asked.approval_id or "").compared.diff, "which a page does show"
