"""What a worker was handed is shown to whoever may see the automations."""

from __future__ import annotations

import msgspec
import pytest

from opsicle.domain.access import BuiltInRole, server_actions
from opsicle.domain.errors import NotFound
from opsicle.server.access.actor import Actor
from tests.services.core import HELLO, Core
from tests.services.targeting import with_rules

OPERATOR = server_actions(is_server_operator=True, has_open_orgs=False)


def jobs(core: Core, actor: Actor, worker: str, cursor: str = "", limit: int = 10) -> list[str]:
    page = core.automations.recent.of_worker(actor, worker, cursor, limit)
    return [f"{job.template} {job.state}" for job in page.items]


def test_the_newest_comes_first_and_what_runs_now_is_among_it(core: Core, alice: Actor) -> None:
    core.push(alice, HELLO.replace("name: hello", "name: hidden"))
    worker = core.worker(alice.org_id, "w1", slots=4)
    first, second = core.run(alice), core.run(alice, "hidden")
    works = {work.automation_id: work for work in worker.poll().work}
    worker.start(works[first.id])
    worker.finish(works[first.id])
    worker.start(works[second.id])
    guest = with_rules(
        core.person(alice.org_id, "guest", BuiltInRole.MEMBER),
        "allow view templates/hello",
        "allow view automations",
        "allow view workers",
    )

    page = core.automations.recent.of_worker(alice, "w1", "", 1)

    assert sorted(jobs(core, alice, "w1")) == ["hello succeeded", "hidden running"]
    assert len(page.items) == 1
    assert len(jobs(core, alice, "w1", page.next_cursor)) == 1
    assert jobs(core, guest, "w1") == ["hello succeeded"]


def test_another_orgs_worker_is_not_found_and_of_a_shared_one_only_ones_own_org_is_shown(
    core: Core, alice: Actor
) -> None:
    gina = core.person(core.org("globex"), "gina", BuiltInRole.ADMIN)
    core.push(gina)
    core.worker(gina.org_id, "hers")
    shared = core.shared_worker(alice.org_id, "s1", slots=4)
    core.allow_shared(gina.org_id)
    core.run(gina)
    assert len(shared.poll().work) == 1
    alice_who_runs_it, gina_who_runs_it = (
        msgspec.structs.replace(each, rights=each.rights.with_server_actions(OPERATOR))
        for each in (alice, gina)
    )

    assert jobs(core, gina_who_runs_it, "s1") == ["hello leased"]
    assert jobs(core, alice_who_runs_it, "s1") == []
    for actor, name in ((alice, "hers"), (alice, "s1"), (alice, "absent")):
        with pytest.raises(NotFound):
            jobs(core, actor, name)
