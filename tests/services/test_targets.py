"""Who may push targets, see them and run on them, and which ones a selector chooses."""

from __future__ import annotations

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import Conflict, NotAllowed, NotFound
from opsicle.domain.target_checks import CHECK_TEMPLATE
from opsicle.domain.targets import TargetSelector
from opsicle.server.access.actor import Actor
from opsicle.server.store.database import Connection
from opsicle.server.targets.selection import find_target, targets_of
from opsicle.wire.secret_api import CreateSecretRequest
from opsicle.wire.target_api import PushTargetRequest
from tests.services.core import Core
from tests.services.scheduling import record
from tests.services.targeting import push_target, target_source, with_rules

EVERYTHING = TargetSelector()


@pytest.fixture
def carol(core: Core, alice: Actor) -> Actor:
    """Return an admin whose org has two web servers, a database, and the key to them."""
    carol = core.person(alice.org_id, "carol", BuiltInRole.ADMIN)
    request = CreateSecretRequest(name="web-key", value="a private key")
    core.services.secrets.create(carol, request)
    push_target(core, carol, name="web2", labels="role: web, env: prod")
    push_target(core, carol, name="web1", labels="role: web, env: dev")
    push_target(core, carol, name="db1", labels="role: db, env: prod")
    return carol


def chosen(core: Core, actor: Actor, selector: TargetSelector) -> list[str]:
    found = core.database.read(lambda db: targets_of(db, actor, selector))
    return [each.target.name for each in found]


def test_a_selector_chooses_by_name_and_finds_each_as_it_was_pushed(
    core: Core, carol: Actor
) -> None:
    assert chosen(core, carol, EVERYTHING) == ["db1", "web1", "web2"]
    assert chosen(core, carol, TargetSelector(labels={"role": "web"})) == ["web1", "web2"]
    assert chosen(core, carol, TargetSelector(where="env=prod", names=("web2",))) == ["web2"]
    assert chosen(core, carol, TargetSelector(labels={"role": "mail"})) == []

    pushed = push_target(core, carol, "port: 2222", name="web1", labels="role: web, env: dev")
    [found] = core.database.read(lambda db: targets_of(db, carol, TargetSelector(names=("web1",))))
    assert (found.target.port, found.digest) == (2222, pushed.digest)


def test_a_name_that_no_target_has_is_refused_by_name(core: Core, carol: Actor) -> None:
    core.services.targets.delete(carol, "web2")

    with pytest.raises(NotFound, match="no target web2"):
        chosen(core, carol, TargetSelector(names=("web1", "web2")))
    assert core.database.read(lambda db: find_target(db, carol.org_id, "web2")) is None


def test_a_target_whose_key_is_missing_is_not_chosen(core: Core, carol: Actor) -> None:
    pushed = push_target(core, carol, "credential: {secret: gone}", name="web3")

    assert [warning.path for warning in pushed.warnings] == ["spec.credential.secret"]
    with pytest.raises(Conflict, match="web3 cannot be reached: there is no secret gone"):
        chosen(core, carol, EVERYTHING)


def test_what_somebody_has_written_into_the_database_is_not_chosen(
    core: Core, carol: Actor
) -> None:
    def alter(db: Connection) -> None:
        db.execute("DROP TRIGGER target_versions_are_immutable")
        db.execute("UPDATE target_versions SET document = replace(document, 'db1.', 'evil.')")

    core.database.write(alter)

    with pytest.raises(Conflict, match="the target db1 is not what was pushed"):
        chosen(core, carol, EVERYTHING)
    assert chosen(core, carol, TargetSelector(names=("web1",))) == ["web1"]


def test_nobody_runs_on_what_rules_keep_them_from(core: Core, carol: Actor) -> None:
    dev = with_rules(carol, "allow view targets", "allow execute targets/env=dev")

    assert chosen(core, dev, TargetSelector(where="env=dev")) == ["web1"]
    with pytest.raises(NotAllowed, match="db1"):
        chosen(core, dev, EVERYTHING)


def test_what_is_hidden_is_neither_shown_nor_chosen(core: Core, carol: Actor) -> None:
    dev = with_rules(carol, "allow view targets/env=dev", "allow execute targets")
    service = core.services.targets

    assert [each.name for each in service.list_newest(dev, "", 10).items] == ["web1"]
    assert chosen(core, dev, EVERYTHING) == ["web1"]
    for call in (service.get, service.delete, lambda *given: service.list_versions(*given, "", 9)):
        with pytest.raises((NotFound, NotAllowed)):
            call(dev, "db1")
    with pytest.raises(NotFound):
        chosen(core, dev, TargetSelector(names=("db1",)))


def test_other_labels_are_no_way_around_a_rule(core: Core, carol: Actor) -> None:
    """Neither to what one may not change, nor away from it."""
    dev = with_rules(carol, "allow view secrets", "allow manage targets/env=dev")

    push_target(core, dev, "port: 23", name="web1", labels="role: web, env: dev")
    with pytest.raises(NotAllowed):
        push_target(core, dev, name="db1", labels="role: db, env: dev")
    with pytest.raises(NotAllowed):
        push_target(core, dev, name="web1", labels="role: web, env: prod")
    with pytest.raises(NotFound):
        core.services.targets.delete(dev, "db1")


def test_to_name_a_key_takes_the_right_to_see_secrets(core: Core, carol: Actor) -> None:
    with pytest.raises(NotAllowed, match="may not name the secret web-key"):
        push_target(core, with_rules(carol, "allow manage targets"), name="web9")


def test_a_push_that_expects_something_else_changes_nothing(core: Core, carol: Actor) -> None:
    service = core.services.targets

    def push(expected: int, port: int) -> None:
        source = target_source(f"port: {port}")
        service.push(carol, PushTargetRequest(source=source, expected_version=expected))

    with pytest.raises(Conflict, match="there is a target web1 already"):
        push(expected=0, port=23)
    push(expected=1, port=24)
    with pytest.raises(Conflict, match="version 2 is its newest"):
        push(expected=1, port=25)
    assert service.get(carol, "web1").port == 24


def test_another_orgs_targets_are_not_there(core: Core, carol: Actor) -> None:
    mallory = core.person(core.org("globex"), "mallory", BuiltInRole.ADMIN)

    assert chosen(core, mallory, EVERYTHING) == []
    with pytest.raises(NotFound):
        core.services.targets.get(mallory, "web1")
    with pytest.raises(NotFound):
        core.services.targets.delete(mallory, "web1")


def test_the_record_says_who_has_changed_what(core: Core, carol: Actor) -> None:
    core.services.targets.delete(carol, "web1")

    assert record(core, carol, "targets/web1") == [("push", carol.email), ("delete", carol.email)]


def test_a_check_is_for_one_target_whatever_others_there_are(core: Core, carol: Actor) -> None:
    """It asks for no right to push templates, nor to run on any other target."""
    push_target(core, carol, "credential: {secret: gone}", name="web3", labels="env: prod")
    dev = with_rules(
        carol,
        "allow view targets",
        "allow execute targets/env=dev",
        "allow execute templates",
        "allow view templates",
        "allow view automations",
    )
    checks = core.services.target_automations

    made = checks.check(dev, "web1")
    again = checks.check(carol, "web1")

    assert [target.name for target in made.targets] == ["web1"]
    assert (made.template, made.version, again.version) == ("check-targets", 1, 1)
    with pytest.raises(NotAllowed):
        checks.check(dev, "db1")
    with pytest.raises(Conflict, match="web3 cannot be reached: there is no secret gone"):
        checks.check(carol, "web3")
    with pytest.raises(NotFound):
        checks.check(with_rules(carol, "allow execute targets", "allow execute templates"), "web1")


def test_a_check_runs_nothing_that_others_have_pushed(core: Core, carol: Actor) -> None:
    checks = core.services.target_automations
    evil = CHECK_TEMPLATE.replace('"id"', '"rm -rf /"')

    core.services.templates.push(carol, evil)
    assert checks.check(carol, "web1").version == 2
    assert core.services.templates.get(carol, "check-targets").source == CHECK_TEMPLATE

    core.services.templates.push(carol, evil.replace("opsicle.io/built-in", "ours"))
    with pytest.raises(Conflict, match="a template check-targets of its own"):
        checks.check(carol, "web1")
