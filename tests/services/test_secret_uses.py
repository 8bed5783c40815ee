"""Who would miss a secret is known before it is changed or deleted."""

from __future__ import annotations

import msgspec
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import NotAllowed, NotFound
from opsicle.server.access.actor import Actor
from opsicle.server.store import secrets
from opsicle.wire.secret_api import (
    CreateSecretRequest,
    Secret,
    SecretUse,
    SecretUses,
    UpdateSecretRequest,
)
from tests.services.core import HELLO, Core
from tests.services.targeting import Reaching, push_target, with_rules

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


def last_uses(core: Core, actor: Actor) -> dict[str, SecretUse | None]:
    page = core.services.secrets.list_secrets(actor, "", 50)
    return {each.name: each.last_use for each in page.items}


def test_a_secret_says_when_it_was_handed_out_last_and_to_what(core: Core, admin: Actor) -> None:
    core.push_again(admin, USING)
    worker = core.worker(admin.org_id, "w1", slots=2)
    core.run(admin)
    worker.poll()
    assert last_uses(core, admin) != {"db-password": None, "other": None}
    core.clock.advance(60)

    second = core.run(admin)
    waiting = last_uses(core, admin)["db-password"]
    worker.poll()

    now = core.clock.now()
    assert waiting is not None
    assert waiting.at < now
    assert last_uses(core, admin) == {
        "db-password": SecretUse(at=now, automation=second.id, template="hello"),
        "other": None,
    }


def test_the_key_of_a_target_counts_as_used(core: Core, admin: Actor) -> None:
    reaching = Reaching(core, admin).push()
    reaching.run()

    works = reaching.reaching.poll().work

    used = last_uses(core, admin)["web-key"]
    assert used is not None
    assert used.automation in [work.automation_id for work in works]


def test_by_what_it_was_used_is_for_those_who_may_see_that(core: Core, admin: Actor) -> None:
    core.push_again(admin, USING)
    core.run(admin)
    core.worker(admin.org_id, "w1").poll()
    at = core.clock.now()

    def seen_by(*rules: str) -> SecretUse | None:
        guest = with_rules(admin, "allow view secrets", *rules)
        somebody_else = msgspec.structs.replace(guest, user_id="somebody else")
        return last_uses(core, somebody_else)["db-password"]

    hidden = seen_by("allow view automations", "allow view templates/other")
    shown = seen_by("allow view automations", "allow view templates/hello")

    assert hidden == seen_by("allow view templates") == SecretUse(at=at)
    assert shown
    assert shown.template == "hello"


def test_a_new_value_is_a_rotation_and_the_first_is_none(core: Core, admin: Actor) -> None:
    service = core.services.secrets
    core.clock.advance(60)

    def rotated(secret: Secret) -> bool:
        return secret.rotated_at == core.clock.now()

    before = service.get(admin, "other")
    after = service.update(admin, "other", UpdateSecretRequest(value="another one entirely"))

    assert before.rotated_at is None
    assert rotated(after)
    assert rotated(service.get(admin, "other"))


def test_a_secret_of_the_same_name_as_one_that_was_deleted_was_never_used(
    core: Core, admin: Actor
) -> None:
    core.push_again(admin, USING)
    core.run(admin)
    core.worker(admin.org_id, "w1").poll()
    service = core.services.secrets

    service.delete(admin, "db-password")
    made = service.create(admin, CreateSecretRequest(name="db-password", value="once more, new"))

    assert made.last_use is None
    assert last_uses(core, admin)["db-password"] is None


def test_no_automation_of_another_org_is_named_whatever_an_import_has_brought(
    core: Core, admin: Actor
) -> None:
    core.push_again(admin, USING)
    core.run(admin)
    core.worker(admin.org_id, "w1").poll()
    outsider = core.person(core.org("umbrella"), "bob", BuiltInRole.ADMIN)
    core.push_again(outsider, HELLO)
    theirs = core.run(outsider)
    sql = "UPDATE secret_uses SET automation_id = ?"
    core.database.write(lambda db: db.execute(sql, (theirs.id,)))

    assert last_uses(core, admin)["db-password"] == SecretUse(at=core.clock.now())


def test_no_use_is_noted_of_a_secret_that_was_deleted_meanwhile(core: Core, admin: Actor) -> None:
    core.services.secrets.delete(admin, "db-password")
    now, names = core.clock.now(), ["db-password", "other"]
    core.database.write(lambda db: secrets.note_use(db, admin.org_id, names, "any", now))

    assert last_uses(core, admin) == {"other": SecretUse(at=now)}
