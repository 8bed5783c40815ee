"""Webhooks start what a trigger says, once, with values of what they bring.

The clock stands at midnight of 2026-01-01, UTC, and the template `hello` is there.
"""

from __future__ import annotations

import gevent
import pytest

from opsicle.domain.errors import (
    Conflict,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from opsicle.domain.triggers import KEPT_CALLS, KEPT_REFUSALS, MOST_TRIGGERS
from opsicle.security.master_key import MasterKey
from opsicle.server.access.actor import Actor
from opsicle.server.keys.vault import Vault
from opsicle.server.store import triggers
from opsicle.wire.starts import StartedBy, StarterKind
from opsicle.wire.trigger_api import HookReply
from tests.services.calling import Sender, calls_of, push_trigger, trigger_source
from tests.services.core import Core
from tests.services.scheduling import record, started

ALERT = {"status": "firing", "groupKey": "g1", "alerts": [{"labels": {"instance": "db1"}}]}
MAPPED = "values: {who: {pointer: /alerts/0/labels/instance}}"


@pytest.fixture
def sender(core: Core, alice: Actor) -> Sender:
    """Return who calls Alice's trigger, which tells the template the instance of an alert."""
    return Sender(core, push_trigger(core, alice, MAPPED).secret)


def test_a_call_starts_the_template_with_what_it_brings_and_says_where(
    core: Core, alice: Actor, sender: Sender
) -> None:
    core.services.urls.url = "https://ops.example.com"

    reply = sender.send(ALERT)

    (automation,) = started(core, alice)
    assert reply == HookReply(
        automation=automation.id, url=f"https://ops.example.com/automations/{automation.id}"
    )
    assert automation.started_by == StartedBy(StarterKind.TRIGGER, "disk-full")
    assert automation.requester.email == alice.email
    assert core.automations.get(alice, automation.id).values == {"who": "db1"}
    (call,) = calls_of(core, alice)
    assert (call.outcome, call.automation_id, call.values, call.address) == (
        "started",
        automation.id,
        {"who": "db1"},
        "192.0.2.7",
    )
    assert record(core, alice, f"automations/{automation.id}") == [("run", alice.email)]
    assert record(core, alice, "triggers/disk-full") == [
        ("push", alice.email),
        ("rotate", alice.email),
    ]


def test_the_same_message_again_is_answered_as_before_and_starts_nothing(
    core: Core, alice: Actor, sender: Sender
) -> None:
    body = b'{"alerts": []}'
    signed = sender.signed(body)

    first = sender.send(body, signed)
    core.clock.advance(290)
    again = sender.send(body, signed)

    assert again == first
    assert len(started(core, alice)) == 1
    assert [call.outcome for call in calls_of(core, alice)] == ["duplicate", "started"]


def test_of_the_same_message_many_times_at_once_one_starts_something(
    core: Core, alice: Actor, sender: Sender
) -> None:
    signed = sender.signed(b"{}")
    calls = [gevent.spawn(sender.send, b"{}", signed) for _ in range(5)]
    gevent.joinall(calls, timeout=60, raise_error=True)

    assert len({call.value.automation for call in calls}) == 1
    assert len(started(core, alice)) == 1


def test_what_means_the_same_starts_nothing_within_the_window(core: Core, alice: Actor) -> None:
    pushed = push_trigger(core, alice, "dedupe: {pointer: /groupKey, window: 3600}")
    sender = Sender(core, pushed.secret)

    first = sender.send({**ALERT, "n": 1})
    core.clock.advance(3599)
    second = sender.send({**ALERT, "n": 2})
    other = sender.send({**ALERT, "groupKey": "g2"})
    core.clock.advance(2)
    third = sender.send({**ALERT, "n": 3})

    assert second.automation == first.automation
    assert "already" in second.skipped
    assert not other.skipped
    assert not third.skipped
    assert len(started(core, alice)) == 3
    with pytest.raises(InvalidInput, match="nothing at /groupKey"):
        sender.send({"status": "firing"})


def test_a_clock_stepped_back_lets_nothing_through_twice(core: Core, alice: Actor) -> None:
    pushed = push_trigger(core, alice, "dedupe: {pointer: /groupKey, window: 60}")
    sender = Sender(core, pushed.secret)
    sender.send(ALERT)

    core.clock.step(-3600)

    assert sender.send({**ALERT, "n": 2}).skipped
    assert len(started(core, alice)) == 1


def test_a_sender_that_tries_again_after_a_crash_starts_it_once(
    core: Core, alice: Actor, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server dies when the call is noted, and before the automation is whole."""
    body = b"{}"
    signed = sender.signed(body)

    def dies(*_: object) -> None:
        raise RuntimeError("killed here")

    for function in ("trigger_calls.insert", "automations.insert"):
        with monkeypatch.context() as killed:
            killed.setattr(f"opsicle.server.store.{function}", dies)
            with pytest.raises(RuntimeError):
                sender.send(body, signed)
    assert started(core, alice) == []
    assert calls_of(core, alice) == []

    replies = [sender.send(body, signed) for _ in range(2)]
    assert replies[0] == replies[1]
    assert len(started(core, alice)) == 1


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda sender, body: sender.signed(body + b" "), "is not that of this body"),
        (lambda sender, body: sender.signed(body, after=301), "is 6 min ahead of"),
        (lambda sender, body: sender.signed(body, after=-3540), "is 59 min behind"),
        (lambda sender, body: {}, "sent no header Opsicle-Signature"),
        (lambda sender, body: {"Opsicle-Signature": "t=1,v1="}, "not of the form t=SECONDS,v1="),
        (lambda sender, body: {"Opsicle-Signature": "t=noon,v1=ab"}, "in whole seconds"),
        (lambda sender, body: {"Authorization": f"Bearer {sender.secret}"}, "sent no header"),
    ],
)
def test_who_does_not_know_the_secret_learns_nothing_and_its_org_learns_why(
    core: Core, alice: Actor, sender: Sender, break_it, said: str
) -> None:
    wrong = break_it(sender, b"{}")
    core.services.triggers.pause(alice, "disk-full")

    with pytest.raises(NotAuthenticated) as refused:
        sender.send(b"{}", wrong)

    assert refused.value.message == "the trigger's secret was not shown as it wants"
    (call,) = calls_of(core, alice)
    assert call.outcome == "unverified"
    assert call.reason.startswith("hmac-sha256: ")
    assert said in call.reason
    assert started(core, alice) == []


def test_strangers_are_held_back_by_address_and_push_out_no_calls(
    core: Core, alice: Actor, sender: Sender
) -> None:
    sender.send({"n": 0})
    for _ in range(50):
        with pytest.raises(NotAuthenticated):
            sender.send(b"{}", {})

    with pytest.raises(TooManyRequests) as held:
        sender.send(b"{}", {})

    assert 0 < held.value.retry_after <= 901
    outcomes = [call.outcome for call in calls_of(core, alice)]
    assert outcomes == ["unverified"] * KEPT_REFUSALS + ["started"]
    assert sender.send({"n": 1}).automation
    core.services.throttle.check_address(sender.address)


def test_a_paused_trigger_starts_nothing_until_it_is_resumed(
    core: Core, alice: Actor, sender: Sender
) -> None:
    service = core.services.triggers
    assert service.pause(alice, "disk-full").state == "paused"
    with pytest.raises(NotFound, match="paused"):
        sender.send(ALERT)

    assert service.resume(alice, "disk-full").state == "active"
    assert sender.send(ALERT).automation
    assert record(core, alice, "triggers/disk-full")[2:] == [
        ("pause", alice.email),
        ("resume", alice.email),
    ]


def test_a_new_secret_ends_the_old_one_and_a_deleted_trigger_has_none(
    core: Core, alice: Actor, sender: Sender
) -> None:
    fresh = core.services.triggers.new_secret(alice, "disk-full").secret
    assert fresh != sender.secret
    with pytest.raises(NotAuthenticated):
        sender.send(ALERT)
    sender.secret = fresh
    assert sender.send(ALERT).automation

    core.services.triggers.delete(alice, "disk-full")
    with pytest.raises(NotFound):
        sender.send(ALERT)
    for table in ("trigger_secrets", "trigger_receipts", "trigger_calls"):
        sql = f"SELECT count(*) FROM {table}"
        assert core.database.read(lambda db, sql=sql: db.execute(sql).fetchone()) == (0,), table
    again = push_trigger(core, alice, MAPPED)
    assert again.secret not in {"", fresh}
    with pytest.raises(NotAuthenticated):
        sender.send(ALERT)
    assert [call.outcome for call in calls_of(core, alice)] == ["unverified"]


def test_a_new_master_key_opens_secrets_and_the_old_one_no_longer(
    core: Core, alice: Actor, sender: Sender
) -> None:
    new = MasterKey.create()

    assert core.database.write(lambda db: core.vault.rewrap_all(db, new)) == 1

    (sealed,) = core.database.read(triggers.list_sealed)
    assert Vault(new).open_trigger_secret(sealed) == sender.secret
    with pytest.raises(NotAuthenticated):
        sender.send(ALERT)


def test_calls_that_come_too_fast_are_told_when_to_come_again(core: Core, alice: Actor) -> None:
    sender = Sender(core, push_trigger(core, alice, "rate: 2/m").secret)
    for n in range(2):
        sender.send({"n": n})

    for n in range(3):
        with pytest.raises(TooManyRequests) as limited:
            sender.send({"n": n, "again": True})
    assert limited.value.retry_after == 31

    core.clock.advance(31)
    assert sender.send({"n": 9}).automation
    assert [call.outcome for call in calls_of(core, alice)] == [
        "started",
        "limited",
        "started",
        "started",
    ]


def test_the_newest_calls_are_kept(core: Core, alice: Actor) -> None:
    pushed = push_trigger(core, alice, "rate: 1000/s", "filter: [{pointer: /x, exists: true}]")
    sender = Sender(core, pushed.secret)
    for n in range(KEPT_CALLS + 3):
        sender.send({"n": n})

    calls = calls_of(core, alice)
    page = core.services.triggers.list_calls(alice, "disk-full", "", 20)
    rest = core.services.triggers.list_calls(alice, "disk-full", page.next_cursor, 100)

    assert len(calls) == KEPT_CALLS
    assert [*page.items, *rest.items] == calls
    assert calls[0].body_bytes == len(b'{"n": 52}')


def test_what_is_pushed_while_a_call_is_under_way_decides(
    core: Core, alice: Actor, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is paused after the call was let in, and before it has started anything."""
    create = core.automations.create

    def paused_first(*given, **named):
        core.services.triggers.pause(alice, "disk-full")
        return create(*given, **named)

    monkeypatch.setattr(core.automations, "create", paused_first)
    with pytest.raises(Unavailable):
        sender.send(ALERT)
    assert started(core, alice) == []


def test_rows_changed_behind_the_servers_back_start_nothing(
    core: Core, alice: Actor, sender: Sender
) -> None:
    """The trigger is made to take any bearer, and to be another's secret."""
    other = push_trigger(core, alice, name="other")

    def loosen(db) -> None:
        db.execute("DROP TRIGGER trigger_versions_are_immutable")
        db.execute(
            "UPDATE trigger_versions SET document = replace(document, 'hello', 'hello2') "
            "WHERE trigger_id = (SELECT id FROM triggers WHERE name = 'disk-full')"
        )

    def swap(db) -> None:
        db.execute(
            "UPDATE trigger_secrets SET (wrapped_key, ciphertext) = "
            "(SELECT o.wrapped_key, o.ciphertext FROM trigger_secrets o JOIN triggers t "
            "ON t.id = o.trigger_id WHERE t.name = 'disk-full') "
            "WHERE trigger_id = (SELECT id FROM triggers WHERE name = 'other')"
        )

    core.database.write(loosen)
    core.database.write(swap)

    with pytest.raises(NotAuthenticated):
        sender.send(ALERT)
    assert "is not what was pushed" in calls_of(core, alice)[0].reason
    for secret in (sender.secret, other.secret):
        with pytest.raises(NotAuthenticated):
            Sender(core, secret, name="other").send(ALERT)


def test_an_org_has_so_many_triggers_and_no_more(core: Core, alice: Actor) -> None:
    push_trigger(core, alice)

    def fill(db) -> None:
        for n in range(MOST_TRIGGERS - 1):
            db.execute(
                "INSERT INTO triggers (id, org_id, name, latest_version, created_at, updated_at) "
                "VALUES (?1, ?2, ?1, 1, '', '')",
                (f"t{n}", alice.org_id),
            )

    core.database.write(fill)
    with pytest.raises(Conflict, match="may have no more"):
        core.services.triggers.push(alice, trigger_source(name="one-more"))
    assert not push_trigger(core, alice).is_new
