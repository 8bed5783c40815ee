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
from tests.services.approving import Office, template_source

BOSS_AND_DAVE = (
    "{name: boss, approvers: {manager: true}},"
    " {name: office, approvers: {users: [dave@example.com]}}"
)


@pytest.fixture
def asked(office: Office) -> Automation:
    """Ask two people, about a template of which an older version was approved and ran."""
    office.policy(BOSS_AND_DAVE)
    earlier = office.ask()
    office.approve("bob", earlier)
    office.approve("dave", earlier)

    worker = office.core.worker(office.org_id, "w1")
    [work] = worker.poll().work
    worker.start(work)
    worker.finish(work)

    office.core.push_again(
        office.people["carol"], template_source("careful", command="echo something else")
    )
    return office.ask()


@contextmanager
def reads(office: Office) -> Iterator[list[str]]:
    """Record the statements that are run on both connections meanwhile."""
    found: list[str] = []
    database = office.core.database

    def note(event: dict[str, str]) -> None:
        found.append(" ".join(event["sql"].split()))

    database.read(lambda db: db.trace_v2(1, note))  # SQLITE_TRACE_STMT
    database.write(lambda db: db.trace_v2(1, note))
    yield found
    database.read(lambda db: db.trace_v2(0, None))
    database.write(lambda db: db.trace_v2(0, None))


def decide(office: Office, who: str, asked: Automation, verdict: Verdict = Verdict.APPROVE):
    return office.core.approvals.decide(
        office.people[who], asked.approval_id or "", verdict, DecisionRequest()
    )


def test_a_decision_says_who_has_to_agree_still_and_then_that_it_is_approved(
    office: Office, asked: Automation
) -> None:
    first = decide(office, "bob", asked)
    assert (first.state, first.waiting_for) == (
        ApprovalState.PENDING,
        "office: 1 of dave@example.com",
    )
    assert first.waiting_for == office.show("bob", asked).waiting_for

    last = decide(office, "dave", asked)
    assert (last.state, last.waiting_for, last.template) == (ApprovalState.APPROVED, "", "careful")
    assert office.state(asked) == "queued"


def test_saying_it_again_says_how_it_stands(office: Office, asked: Automation) -> None:
    first = decide(office, "bob", asked)
    assert decide(office, "bob", asked) == first

    decide(office, "dave", asked, Verdict.REJECT)
    assert decide(office, "bob", asked).state is ApprovalState.REJECTED


def test_what_was_withdrawn_stays_so_for_whoever_had_decided(
    office: Office, asked: Automation
) -> None:
    decide(office, "bob", asked)
    office.core.approvals.withdraw(office.people["alice"], asked.approval_id or "")

    assert decide(office, "bob", asked).state is ApprovalState.WITHDRAWN
    with pytest.raises(Conflict, match="it is withdrawn"):
        decide(office, "dave", asked)


def test_a_decision_reads_the_approval_and_its_documents_once(
    office: Office, asked: Automation
) -> None:
    with reads(office) as statements:
        decide(office, "bob", asked)

    assert len([sql for sql in statements if "FROM approvals WHERE" in sql]) == 1
    assert len([sql for sql in statements if "SELECT document FROM template_versions" in sql]) == 1
    assert [sql for sql in statements if "source FROM template_versions" in sql] == []


def test_a_decision_by_chat_builds_no_diff_for_its_one_line(
    office: Office, asked: Automation
) -> None:
    core, bob = office.core, office.people["bob"]
    link = LinkRow("telegram", "7", office.org_id, bob.user_id, "7", core.clock.now())
    core.database.write(lambda db: chat_links.put(db, link))
    channel = core.database.read(lambda db: channels.find(db, office.org_id, "telegram"))
    person, decision = (
        ChatPerson(channel, "7", "7"),
        ChatDecision(asked.approval_id or "", Verdict.APPROVE),
    )

    with reads(office) as statements:
        said = core.services.chats.decide_as(person, decision)

    assert said.text == "Approved. It still waits for office: 1 of dave@example.com."
    assert [sql for sql in statements if "source FROM template_versions" in sql] == []
    assert core.approvals.get(bob, asked.approval_id or "").compared.diff, "which a page does show"
