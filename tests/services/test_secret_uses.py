"""Who would miss a secret is known before it is changed or deleted."""

from __future__ import annotations

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import NotAllowed, NotFound
from opsicle.server.access.actor import Actor
from opsicle.wire.secret_api import CreateSecretRequest, SecretUses
from tests.services.core import HELLO, Core
from tests.services.targeting import push_target, with_rules

USING = HELLO.replace("commands:", "secrets: [db-password], commands:")
PASSING = HELLO.replace("name: hello", "name: passes").rstrip() + (
    "\n  onSuccess: [{template: hello, values: {password: {secret: db-password}}}]\n"
)


@pytest.fixture
def admin(core: Core, alice: Actor) -> Actor:
    admin = core.person(alice.org_id, "root", BuiltInRole.ADMIN)
    for name in ("db-password", "other"):
        request = CreateSecretRequest(name=name, value="Tr0ub4dor-of-the-org")
        core.services.secrets.create(admin, request)
    return admin


def test_templates_and_targets_that_name_it_are_said_and_when_one_began_last(
    core: Core, admin: Actor
) -> None:
    core.push_again(admin, USING)
    core.push_again(admin, USING.replace("name: hello", "name: former"))
    core.push_again(admin, HELLO.replace("name: hello", "name: former"))
    core.push_again(admin, PASSING)
    push_target(core, admin, "credential: {secret: db-password}", name="web1")
    uses = core.services.secret_usage.find
    before = uses(admin, "db-password")
    worker = core.worker(admin.org_id, "w1")
    core.run(admin)
    [work] = worker.poll().work
    worker.start(work)

    after = uses(admin, "db-password")

    assert (before.templates, before.targets) == (["hello", "passes"], ["web1"])
    assert (before.hidden, before.last_run_at) == (0, None)
    assert after.last_run_at == core.clock.now()
    assert uses(admin, "other") == SecretUses(templates=[], targets=[])


def test_what_somebody_may_not_see_is_counted_and_not_named(core: Core, admin: Actor) -> None:
    core.push_again(admin, USING)
    core.push_again(admin, USING.replace("name: hello", "name: hidden"))
    push_target(core, admin, "credential: {secret: db-password}", name="web1")
    uses = core.services.secret_usage.find
    guest = with_rules(admin, "allow view secrets", "allow view templates/hello")

    seen = uses(guest, "db-password")

    assert (seen.templates, seen.targets, seen.hidden) == (["hello"], [], 2)
    mallory = core.person(core.org("globex"), "mallory", BuiltInRole.ADMIN)
    with pytest.raises(NotFound):
        uses(mallory, "db-password")
    with pytest.raises(NotAllowed):
        uses(with_rules(admin, "allow view templates"), "db-password")
