"""One worker, chosen by whoever runs a template, is the only one that is handed it."""

from __future__ import annotations

import pytest

from opsicle.domain.errors import InvalidInput
from opsicle.server.access.actor import Actor
from opsicle.server.approvals.cases import load_unaltered
from opsicle.server.approvals.facts import approval_facts
from opsicle.server.store import approvals
from opsicle.wire.user_api import Automation, RunRequest
from tests.services.core import HELLO, Core
from tests.services.tampering import require_refused
from tests.services.team import Team, template_source

ON_AMS = HELLO.replace("name: hello", "name: placed").replace(
    "spec:\n", "spec:\n  runsOn: {labels: {site: ams}}\n"
)
ON_EACH = HELLO.replace("name: hello", "name: each").replace(
    "spec:\n", "spec:\n  runsOn: {each: {labels: {site: fra}}}\n"
)


def run(core: Core, alice: Actor, worker: str, template: str = "hello") -> Automation:
    return core.automations.create(alice, RunRequest(template=template, worker=worker))


def test_only_the_chosen_worker_is_handed_it_and_a_rerun_keeps_the_choice(
    core: Core, alice: Actor
) -> None:
    chosen, other = core.worker(alice.org_id, "w1"), core.worker(alice.org_id, "w2")
    made = run(core, alice, "w1")

    assert other.poll().work == ()
    [work] = chosen.poll().work
    chosen.start(work)
    chosen.finish(work)

    again = core.automations.rerun(alice, made.id)
    assert (made.only_worker, again.only_worker) == ("w1", "w1")
    assert other.poll().work == ()
    assert len(chosen.poll().work) == 1


FREED = """
    UPDATE automations
       SET only_worker = '', requirements = json_remove(requirements, '$.worker')
"""
MOVED = "UPDATE automations SET only_worker = replace(only_worker, 'w1', 'w2')"


def test_what_was_freed_of_its_choice_behind_the_servers_back_is_handed_to_nobody(
    team: Team,
) -> None:
    team.core.push(team.people["alice"])
    team.core.worker(team.org_id, "w1")
    made = run(team.core, team.people["alice"], "w1")

    team.tamper(FREED)
    team.restart()

    require_refused(team, made)


def test_a_choice_that_was_altered_is_not_even_handed_to_the_worker_that_was_chosen(
    team: Team,
) -> None:
    team.core.push(team.people["alice"])
    chosen = team.core.worker(team.org_id, "w1")
    made = run(team.core, team.people["alice"], "w1")

    team.tamper(MOVED)

    assert chosen.poll().work == ()
    assert team.why(made).startswith("it was not run: ")


def test_who_is_asked_hears_which_worker_was_chosen(team: Team) -> None:
    team.policy()
    team.core.push_again(team.people["carol"], template_source("careful"))
    team.core.worker(team.org_id, "w1")
    made = run(team.core, team.people["alice"], "w1", "careful")

    row = team.core.database.read(lambda db: approvals.get(db, team.org_id, made.approval_id or ""))
    case = team.core.database.read(lambda db: load_unaltered(db, team.core.bindings, row))
    facts = {fact.label: fact.text for fact in approval_facts(case, team.core.clock.now())}

    assert facts["Only on"] == "w1"


def test_what_cannot_be_chosen_is_refused_by_name(core: Core, alice: Actor) -> None:
    core.push(alice, ON_AMS)
    core.push(alice, ON_EACH)
    core.worker(alice.org_id, "w1", site="fra").poll()
    core.worker(core.org("globex"), "theirs").poll()

    for worker, template, message in (
        ("theirs", "hello", "there is no worker theirs"),
        ("w1", "placed", "w1 does not fit: no connected worker has label site=ams"),
        ("w1", "each", "each runs on each of several machines"),
    ):
        with pytest.raises(InvalidInput, match=message) as refused:
            run(core, alice, worker, template)
        assert refused.value.problems[0].path == "worker"


def test_a_request_without_a_choice_is_still_known_by_what_an_earlier_server_remembered(
    core: Core, alice: Actor
) -> None:
    request = RunRequest(template="hello", values={"who": "a"})
    before = core.vault.fingerprint(
        b'[{"reason":"","template":"hello","values":{"who":"a"},"version":null},null]'
    )
    made = core.automations.create(alice, request, "key")

    remembered = core.database.read(
        lambda db: db.execute("SELECT request_digest FROM idempotency_keys").fetchall()
    )

    assert remembered == [(before,)]
    assert core.automations.create(alice, request, "key").id == made.id
