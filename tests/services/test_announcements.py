"""People are told what those who run the server announce to their org, and for as long."""

from __future__ import annotations

from datetime import timedelta

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from opsicle.server.access.actor import Actor
from opsicle.server.operation import announcements
from opsicle.wire.announcement_api import CreateAnnouncementRequest, PostedAnnouncement
from tests.services.core import Core
from tests.services.operating import server_operator

HOUR = timedelta(hours=1)


@pytest.fixture
def oscar(core: Core) -> Actor:
    return server_operator(core)


@pytest.fixture
def gina(core: Core) -> Actor:
    return core.person(core.org("globex"), "gina", BuiltInRole.MEMBER)


def announce(core: Core, oscar: Actor, text: str, **more: object) -> PostedAnnouncement:
    request = CreateAnnouncementRequest(text=text, **more)
    return core.services.announcements.create(oscar, request)


def told(core: Core, actor: Actor) -> list[str]:
    return [each.text for each in core.services.accounts.whoami(actor).announcements]


def recorded(core: Core, org_id: str, verb: str) -> int:
    sql = "SELECT count(*) FROM audit_entries WHERE org_id = ? AND verb = ? AND resource LIKE ?"
    given = (org_id, verb, "announcements/%")
    return core.database.read(lambda db: db.execute(sql, given).get)


def test_all_are_told_or_one_org_alone_and_warnings_come_first(
    core: Core, alice: Actor, gina: Actor, oscar: Actor
) -> None:
    announce(core, oscar, "an upgrade tonight")
    announce(core, oscar, "the disk of acme is full", severity="warning", org="acme")

    assert told(core, alice) == ["the disk of acme is full", "an upgrade tonight"]
    assert told(core, gina) == told(core, oscar) == ["an upgrade tonight"]
    shown = core.services.accounts.whoami(alice).announcements[0]
    assert not hasattr(shown, "created_by"), "who runs the server is nothing for every member"


def test_it_is_shown_from_its_beginning_to_its_end_by_the_clock_of_the_server(
    core: Core, alice: Actor, oscar: Actor
) -> None:
    now = core.clock.now()
    announce(core, oscar, "soon", starts_at=now + HOUR, ends_at=now + 2 * HOUR)

    assert told(core, alice) == []
    core.clock.advance(3600)
    assert told(core, alice) == ["soon"]
    core.clock.advance(3599)
    assert told(core, alice) == ["soon"]
    core.clock.advance(1)
    assert told(core, alice) == []
    listed = core.services.announcements.list_all(oscar, "", 10).items
    assert [each.text for each in listed] == ["soon"]
    core.clock.advance(31 * 24 * 3600)
    announce(core, oscar, "today")
    listed = core.services.announcements.list_all(oscar, "", 10).items
    assert [each.text for each in listed] == ["today"], "what ended long ago is kept no longer"


def test_one_that_is_taken_back_is_shown_no_more_and_both_stand_in_the_records(
    core: Core, alice: Actor, gina: Actor, oscar: Actor
) -> None:
    made = announce(core, oscar, "for acme", org="acme")

    core.services.announcements.delete(oscar, made.id)

    assert told(core, alice) == []
    for verb in ("create", "delete"):
        assert [recorded(core, org, verb) for org in ("", alice.org_id, gina.org_id)] == [1, 1, 0]
    with pytest.raises(NotFound):
        core.services.announcements.delete(oscar, made.id)


def test_only_who_runs_the_server_announces_and_nothing_that_could_deceive(
    core: Core, alice: Actor, oscar: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    carol = core.person(alice.org_id, "carol", BuiltInRole.ADMIN)
    now = core.clock.now()

    for tried in (
        lambda: announce(core, carol, "to all"),
        lambda: core.services.announcements.list_all(carol, "", 10),
        lambda: core.services.announcements.delete(carol, "x"),
    ):
        with pytest.raises(NotAllowed):
            tried()
    for text in ("", " \t", "two\nlines", "a \x1b[31mred one", "back \u202ewards"):
        with pytest.raises(InvalidInput, match="hidden"):
            announce(core, oscar, text)
    for bounds in ({"ends_at": now}, {"starts_at": now + 2 * HOUR, "ends_at": now + HOUR}):
        with pytest.raises(InvalidInput, match="after the beginning"):
            announce(core, oscar, "x", **bounds)
    with pytest.raises(NotFound):
        announce(core, oscar, "x", org="nowhere")

    monkeypatch.setattr(announcements, "MOST_OPEN", 1)
    announce(core, oscar, "one")
    with pytest.raises(Conflict, match="have not ended"):
        announce(core, oscar, "two")
    assert told(core, alice) == ["one"]
