"""Who is told how an automation ended, because its template says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.server.store import groups
from opsicle.server.store.groups import GroupRow
from opsicle.wire.user_api import Automation
from opsicle.wire.worker_api import RefuseRequest
from tests.services.approving import Office, template_source
from tests.services.core import Core, TestWorker

FINISHED = "automation_finished"
TOLD = """
  notify:
    - {users: [Rita@example.com, nobody@example.com], chats: [{channel: telegram, id: -100200}]}
    - {states: [failed, unknown, rejected], groups: [sre, absent]}
"""


def plain(name: str = "plain", notify: str = TOLD) -> str:
    source = template_source(name, "{policyRef: p}").replace(
        "  approvalPolicy: {policyRef: p}\n", ""
    )
    return source + notify


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Return an org in which Dave is a member of the group sre."""
    office = Office(Core(tmp_path))

    core, now = office.core, office.core.clock.now()
    core.push(office.people["alice"], plain())
    core.push(office.people["alice"], template_source("careful") + TOLD)
    core.database.write(
        lambda db: groups.insert(db, office.org_id, GroupRow("sre", "", "[]", now, now))
    )
    core.database.write(
        lambda db: groups.add(db, office.org_id, "sre", office.people["dave"].user_id, now, 0)
    )

    yield office
    office.core.close()


def told(office: Office) -> list[set[str]]:
    return office.notified(FINISHED)


def rooms(office: Office) -> list[str]:
    return [target for (target,) in office.deliveries(FINISHED, "target", "telegram")]


def subjects(office: Office) -> list[str]:
    return [subject for (subject,) in office.deliveries(FINISHED, "subject", "telegram")]


def begin(office: Office, template: str = "plain") -> tuple[TestWorker, Automation]:
    automation = office.ask(template)
    return office.core.worker(office.org_id, "w"), automation


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
    office: Office, state: str, people: set[str]
) -> None:
    worker, _ = begin(office)
    (work,) = worker.poll().work

    worker.start(work)

    assert worker.finish(work, state, None) == state
    assert (told(office), rooms(office)) == ([people], ["-100200"])


def test_a_lost_worker_is_told_of(office: Office) -> None:
    worker, automation = begin(office)
    (work,) = worker.poll().work
    worker.start(work)

    office.core.clock.advance(seconds=600)
    office.core.jobs.expire()

    assert office.state(automation) == "unknown"
    assert told(office) == [{"alice", "rita", "dave"}]


def test_an_order_that_its_worker_refuses_is_told_of(office: Office) -> None:
    worker, automation = begin(office)
    (work,) = worker.poll().work

    office.core.jobs.refuse(
        worker.actor, work.job_id, RefuseRequest(fence=work.fence, reason="altered")
    )

    assert office.state(automation) == "cancelled"
    assert told(office) == [{"alice", "rita"}]


def test_what_was_altered_is_told_of_even_if_its_template_cannot_be_read_any_more(
    office: Office,
) -> None:
    worker, automation = begin(office)
    office.tamper("UPDATE automations SET values_json = '{}' WHERE id = :id", id=automation.id)

    assert worker.poll().work == ()
    assert told(office) == [{"alice", "rita"}]

    office.core.clock.advance(1)
    worse = office.ask("plain")
    office.tamper("DROP TRIGGER template_versions_are_immutable")

    office.tamper("UPDATE template_versions SET document = '{]'")

    assert worker.poll().work == ()

    office.tamper(
        "UPDATE template_versions SET document = :document", document='{"name":"plain","phases":[]}'
    )
    assert office.state(worse) == "cancelled"
    assert told(office)[1:] == [{"alice"}]


def test_a_rejection_and_an_expiry_are_told_to_whom_the_template_names(office: Office) -> None:
    office.policy()
    office.reject("bob", office.ask("careful"))

    assert told(office) == [{"rita", "dave"}]

    expired = office.ask("careful")

    office.core.clock.advance(seconds=2 * 86_400)
    office.core.approvals.keep_time()

    assert office.state(expired) == "expired"
    assert told(office)[1:] == [{"rita"}]
    assert subjects(office) == ["careful rejected", "careful expired"]
    assert [len(each) for each in office.notified("approval_ended")] == [2, 1]


def test_who_cancels_what_another_asked_for_tells_them(office: Office) -> None:
    office.core.automations.cancel(office.people["alice"], office.ask("plain").id)
    assert told(office) == [{"rita"}]

    office.core.clock.advance(1)
    office.core.automations.cancel(office.people["carol"], office.ask("plain").id)

    assert told(office)[1:] == [{"alice", "rita"}]
    assert subjects(office)[1] == "plain cancelled by carol@example.com"


def test_who_cancels_or_withdraws_what_waits_for_approval_tells_as_well(office: Office) -> None:
    office.policy()
    office.core.automations.cancel(office.people["carol"], office.ask("careful").id)

    assert told(office) == [{"alice", "rita"}]

    office.core.clock.advance(1)
    asked = office.ask("careful")

    office.core.approvals.withdraw(office.people["alice"], asked.approval_id or "")

    assert told(office)[1:] == [{"rita"}]


def test_a_template_that_names_nobody_tells_nobody_else(office: Office) -> None:
    office.core.push(office.people["alice"], plain("quiet", ""))
    office.core.automations.cancel(office.people["alice"], office.ask("quiet").id)

    assert told(office) == []

    office.core.automations.cancel(office.people["carol"], office.ask("quiet").id)
    assert (told(office), rooms(office)) == ([{"alice"}], [])


def test_the_version_that_ran_says_who_is_told(office: Office) -> None:
    worker, _ = begin(office)
    office.core.push_again(
        office.people["carol"], plain(notify="\n  notify: [{users: [mallory@example.com]}]\n")
    )
    (work,) = worker.poll().work
    worker.start(work)

    worker.finish(work)

    assert told(office) == [{"rita"}]


def test_nobody_outside_the_org_is_told_nor_whoever_was_disabled(office: Office) -> None:
    other = office.core.org("globex")
    office.core.person(other, "nobody", BuiltInRole.ADMIN)
    office.change("rita", is_disabled=True)
    office.change("dave", is_disabled=True)
    worker, _ = begin(office)
    (work,) = worker.poll().work
    worker.start(work)

    worker.finish(work, "failed", 1)

    assert told(office) == [{"alice"}]


def test_what_is_rolled_back_is_not_told(office: Office) -> None:
    """A second finish of the same job changes nothing and tells nobody again."""
    worker, _ = begin(office)
    (work,) = worker.poll().work
    worker.start(work)
    worker.finish(work)

    worker.finish(work)

    assert told(office) == [{"rita"}]
