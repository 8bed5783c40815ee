"""With whose rights triggers run, and what people may do with them."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.automations import AutomationState
from opsicle.domain.errors import Conflict, NotAllowed, NotAuthenticated, NotFound
from opsicle.server.access.actor import Actor
from opsicle.server.access.rights import scope_grants
from opsicle.server.store.database import Connection
from opsicle.wire.access_api import CreateServiceAccountRequest
from opsicle.wire.channel_api import CreateChannelRequest
from tests.services.calling import Sender, calls_of, push_trigger
from tests.services.core import HELLO, Core
from tests.services.scheduling import HOURLY, push_schedule, record, started
from tests.services.team import Team, template_source
from tests.services.test_schedule_rights import (
    _delete_template,
    _demote,
    _disable,
    _leave,
)

HOOKS = {"kind": "webhook", "url": "https://hooks.example.com/"}


@pytest.fixture
def carol(core: Core, alice: Actor) -> Actor:
    return core.person(alice.org_id, "carol", BuiltInRole.ADMIN)


@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        (_leave, "no longer in the org"),
        (_disable, "has been disabled"),
        (_demote, "may not do this"),
        (_delete_template, "there is no template hello"),
    ],
)
def test_it_runs_with_the_rights_of_that_moment_and_tells_people_alone_why_it_may_not(
    core: Core, alice: Actor, carol: Actor, happens: Callable[[Core, Actor], None], reason: str
) -> None:
    channel = CreateChannelRequest(name="out", config=HOOKS, credential="0123456789abcdef")
    core.services.channel_services.channels.create(carol, channel)
    sender = Sender(core, push_trigger(core, alice).secret)
    happens(core, alice)

    for n in range(3):
        with pytest.raises(Conflict) as refused:
            sender.send({"n": n})
        assert reason not in refused.value.message + refused.value.hint

    trigger = core.services.triggers.get(carol, "disk-full")
    assert started(core, carol) == []
    assert trigger.state == "failing"
    assert {(call.outcome, reason in call.reason) for call in calls_of(core, carol)} == {
        ("refused", True)
    }
    assert record(core, carol, "triggers/disk-full")[2:] == [("refuse", "server")]
    deliveries = core.services.channel_services.deliveries
    (told,) = deliveries.list_deliveries(carol, "", "", "", 10).items
    assert (told.kind, told.subject) == (
        "start_refused",
        "the trigger disk-full could not start anything",
    )


def test_whoever_takes_it_over_gets_a_secret_of_their_own(
    core: Core, alice: Actor, carol: Actor
) -> None:
    """Else Alice could start things in Carol's name, and then approve them."""
    hers = Sender(core, push_trigger(core, alice).secret)
    assert push_trigger(core, alice, "rate: 5/m").secret == ""

    taken = push_trigger(core, carol, "rate: 5/m")

    assert taken.is_new
    with pytest.raises(NotAuthenticated):
        hers.send({})
    Sender(core, taken.secret).send({})
    assert [one.requester.email for one in started(core, carol)] == [carol.email]


def test_nobody_gets_the_secret_of_what_runs_as_somebody_else(
    core: Core, alice: Actor, carol: Actor
) -> None:
    sender = Sender(core, push_trigger(core, alice).secret)
    rita = core.person(alice.org_id, "rita", BuiltInRole.REPORTER)

    for person in (carol, rita):
        with pytest.raises(NotAllowed):
            core.services.triggers.new_secret(person, "disk-full")

    assert sender.send({}).automation
    shown = core.services.triggers.get(carol, "disk-full")
    assert sender.secret not in repr(shown) + repr(calls_of(core, carol))


def test_nobody_approves_what_their_own_trigger_has_started(team: Team) -> None:
    team.policy()
    core, alice = team.core, team.people["alice"]
    sender = Sender(core, push_trigger(core, alice, template="careful").secret)

    made = sender.send({})

    automation = core.automations.get(alice, made.automation)
    assert automation.state is AutomationState.AWAITING_APPROVAL
    assert automation.requester.email == alice.email
    with pytest.raises(NotAllowed):
        team.approve("alice", automation)
    assert team.approve("bob", automation).state == "approved"


def test_a_template_that_wants_a_fresh_code_is_not_started(core: Core, alice: Actor) -> None:
    core.push(alice, template_source("guarded") + "  requireMfa: true\n")
    pushed = push_trigger(core, alice, template="guarded")

    assert "fresh code" in pushed.warnings[0].message
    with pytest.raises(Conflict):
        Sender(core, pushed.secret).send({})
    assert "a trigger cannot show" in calls_of(core, alice)[0].reason


def test_nobody_triggers_what_they_may_not_run(core: Core, alice: Actor) -> None:
    """A token whose scopes let her push triggers alone is no way to all that she may do."""
    scopes = scope_grants('["allow manage triggers", "allow view templates"]')
    by_token = msgspec.structs.replace(alice, rights=alice.rights.below(scopes))

    with pytest.raises(NotAllowed):
        push_trigger(core, by_token)
    push_trigger(core, alice)
    with pytest.raises(NotAllowed):
        core.services.triggers.new_secret(by_token, "disk-full")


def test_another_orgs_trigger_is_not_there(core: Core, alice: Actor) -> None:
    push_trigger(core, alice)
    mallory = core.person(core.org("globex"), "mallory", BuiltInRole.ADMIN)

    service = core.services.triggers
    for call in (service.get, service.pause, service.resume, service.new_secret, service.delete):
        with pytest.raises(NotFound):
            call(mallory, "disk-full")
    with pytest.raises(NotFound):
        service.list_calls(mallory, "disk-full", "", 10)
    assert service.list_newest(mallory, "", 10).items == []


def test_a_service_account_runs_it_and_only_those_who_may_use_it_get_its_secret(
    core: Core, alice: Actor, carol: Actor
) -> None:
    logged_in = msgspec.structs.replace(alice, session_id="x")
    request = CreateServiceAccountRequest(name="bot", role="operator")
    core.services.service_accounts.create(logged_in, request)
    mallory = core.person(alice.org_id, "mallory", BuiltInRole.OPERATOR)
    sender = Sender(core, push_trigger(core, logged_in, "runAs: bot").secret)

    sender.send({})

    assert [one.requester.email for one in started(core, carol)] == ["bot@org.service"]
    with pytest.raises(NotAllowed):
        push_trigger(core, mallory, "runAs: bot")
    with pytest.raises(NotAllowed):
        core.services.triggers.new_secret(mallory, "disk-full")
    assert core.services.triggers.new_secret(logged_in, "disk-full").secret


def test_versions_of_a_template_that_one_may_not_see_are_not_listed(
    core: Core, alice: Actor
) -> None:
    core.push(alice, HELLO.replace("name: hello", "name: covert"))
    for template in ("covert", "hello"):
        push_trigger(core, alice, template=template)
        push_schedule(core, alice, HOURLY, template=template)
    scopes = scope_grants(
        '["allow view triggers", "allow view schedules", "allow view templates/hello"]'
    )
    by_token = msgspec.structs.replace(alice, rights=alice.rights.below(scopes))

    for listed in (
        core.services.triggers.list_versions(by_token, "disk-full", "", 10),
        core.services.schedules.list_versions(by_token, "nightly", "", 10),
    ):
        assert [(each.version, each.template) for each in listed.items] == [(2, "hello")]


SEES_ALL = [f"allow view {each}" for each in ("templates", "schedules", "triggers")]


def alter_documents(core: Core, table: str) -> None:
    """Let none be readable, by somebody who can write to the file."""

    def work(db: Connection) -> None:
        [(trigger,)] = list(
            db.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?"
                " AND sql LIKE '%BEFORE UPDATE%'",
                (table,),
            )
        )
        db.execute(f"DROP TRIGGER {trigger}")
        db.execute(f"UPDATE {table} SET document = '{{'")

    core.database.write(work)


@pytest.mark.parametrize("kind", ["schedules", "triggers"])
def test_what_cannot_be_read_is_hidden_from_whoever_may_not_see_all_templates(
    core: Core, alice: Actor, carol: Actor, kind: str
) -> None:
    push_trigger(core, alice)
    push_schedule(core, alice, HOURLY)
    alter_documents(core, f"{kind[:-1]}_versions")
    scopes = scope_grants(json.dumps(["deny view templates/vault", *SEES_ALL]))
    restricted = msgspec.structs.replace(carol, rights=carol.rights.below(scopes))
    service = getattr(core.services, kind)
    [listed] = service.list_newest(carol, "", 10).items

    assert service.list_newest(restricted, "", 10).items == []
    with pytest.raises(NotFound):
        service.get(restricted, listed.name)
