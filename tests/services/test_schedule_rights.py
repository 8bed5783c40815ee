"""With whose rights schedules run, and what people may do with them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import Conflict, NotAllowed, NotFound
from opsicle.server.access.actor import Actor
from opsicle.server.access.rights import scope_grants
from opsicle.wire.access_api import CreateServiceAccountRequest
from opsicle.wire.starts import StartedBy, StarterKind
from tests.services.core import Core
from tests.services.scheduling import HOURLY, push_schedule, record, show, started, turn

HOUR = 3600


def _leave(core: Core, alice: Actor) -> None:
    core.database.write(
        lambda db: db.execute("DELETE FROM memberships WHERE user_id = ?", (alice.user_id,))
    )


def _disable(core: Core, alice: Actor) -> None:
    core.database.write(
        lambda db: db.execute(
            "UPDATE memberships SET is_disabled = 1 WHERE user_id = ?", (alice.user_id,)
        )
    )


def _demote(core: Core, alice: Actor) -> None:
    core.database.write(
        lambda db: db.execute(
            "UPDATE memberships SET role = 'reporter' WHERE user_id = ?", (alice.user_id,)
        )
    )


def _delete_template(core: Core, alice: Actor) -> None:
    core.services.templates.delete(alice, "hello")


@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        (_leave, "no longer in the org"),
        (_disable, "has been disabled"),
        (_demote, "may not do this"),
        (_delete_template, "there is no template hello"),
    ],
)
def test_it_runs_with_the_rights_of_that_moment_and_says_why_it_may_not(
    core: Core, alice: Actor, happens: Callable[[Core, Actor], None], reason: str
) -> None:
    carol = core.person(alice.org_id, "carol", BuiltInRole.ADMIN)
    push_schedule(core, alice, HOURLY)
    happens(core, alice)

    for _ in range(3):
        core.clock.advance(HOUR)
        turn(core)

    schedule = show(core, carol)
    assert started(core, carol) == []
    assert schedule.state == "failing"
    assert schedule.last_start
    assert reason in schedule.last_start.reason
    assert schedule.next_at == datetime(2026, 1, 1, 4, tzinfo=UTC)
    assert record(core, carol, "schedules/nightly") == [("push", alice.email), ("refuse", "server")]


def test_whoever_pushes_it_anew_takes_it_over(core: Core, alice: Actor) -> None:
    carol = core.person(alice.org_id, "carol", BuiltInRole.ADMIN)
    push_schedule(core, alice, HOURLY)

    again, hers = push_schedule(core, alice, HOURLY), push_schedule(core, carol, HOURLY)
    core.clock.advance(HOUR)
    turn(core)

    assert (again.is_new, hers.is_new) == (False, True)
    assert [one.requester.email for one in started(core, carol)] == [carol.email]


def test_nobody_schedules_what_they_may_not_run(core: Core, alice: Actor) -> None:
    """A token whose scopes let her push schedules alone is no way to all that she may do."""
    scopes = scope_grants('["allow manage schedules", "allow view templates"]')
    by_token = msgspec.structs.replace(alice, rights=alice.rights.below(scopes))

    with pytest.raises(NotAllowed):
        push_schedule(core, by_token, HOURLY)


def test_running_it_by_hand_takes_the_rights_of_whoever_does(core: Core, alice: Actor) -> None:
    push_schedule(core, alice, HOURLY, "values: {who: night}")
    core.services.schedules.pause(alice, "nightly")
    bob = core.person(alice.org_id, "bob", BuiltInRole.MEMBER)
    rita = core.person(alice.org_id, "rita", BuiltInRole.REPORTER)

    ran = core.services.schedules.run(bob, "nightly")

    assert (ran.requester.email, ran.values) == (bob.email, {"who": "night"})
    assert ran.started_by == StartedBy(StarterKind.SCHEDULE, "nightly")
    assert show(core, alice).last_start.automation_id == ran.id  # type: ignore[union-attr]
    with pytest.raises(NotAllowed):
        core.services.schedules.run(rita, "nightly")
    with pytest.raises(Conflict, match="not over"):
        core.services.schedules.run(bob, "nightly")


def test_another_orgs_schedule_is_not_there(core: Core, alice: Actor) -> None:
    push_schedule(core, alice, HOURLY)
    mallory = core.person(core.org("globex"), "mallory", BuiltInRole.ADMIN)

    service = core.services.schedules
    for call in (service.get, service.pause, service.resume, service.run, service.delete):
        with pytest.raises(NotFound):
            call(mallory, "nightly")
    assert service.list_newest(mallory, "", 10).items == []


@pytest.fixture
def bot(core: Core, alice: Actor) -> Actor:
    """Return Alice, whose service account `bot` is an operator."""
    logged_in = msgspec.structs.replace(alice, session_id="x")
    request = CreateServiceAccountRequest(name="bot", role="operator")
    core.services.service_accounts.create(logged_in, request)
    return logged_in


def test_a_service_account_runs_it_and_falls_with_its_owner(core: Core, bot: Actor) -> None:
    carol = core.person(bot.org_id, "carol", BuiltInRole.ADMIN)
    push_schedule(core, bot, HOURLY, "overlap: true", "runAs: bot")
    core.clock.advance(HOUR)
    turn(core)
    assert [one.requester.email for one in started(core, carol)] == ["bot@org.service"]

    _demote(core, bot)
    core.clock.advance(HOUR)
    turn(core)

    assert len(started(core, carol)) == 1
    assert show(core, carol).state == "failing"


def test_nobody_lets_anothers_service_account_run_things(core: Core, bot: Actor) -> None:
    mallory = core.person(bot.org_id, "mallory", BuiltInRole.OPERATOR)

    with pytest.raises(NotAllowed):
        push_schedule(core, mallory, HOURLY, "runAs: bot")
