"""The durable queue loses nothing and sends nothing that was undone.

Whoever is down holds up no other.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import Any

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.automations import JobState
from opsicle.domain.notices import Notice, NoticeKind
from opsicle.server.channels.outbox import GIVE_UP_AFTER
from opsicle.server.channels.sender import LONGEST_WAIT_SECONDS, MOST_AT_ONCE
from tests.api.channel_setup import (
    KEY,
    ask,
    dead_webhook,
    deliver,
    deliveries,
    finish_one,
    make_webhook,
    post_notice,
    revive,
)
from tests.api.receivers import webhook_receiver
from tests.api.running_server import ApiServer, Client

ALICE = "alice@example.com"


@pytest.fixture
def alice(api_server: ApiServer) -> Client:
    return api_server.session(ALICE)


def test_a_webhook_gets_one_signed_message_with_the_facts(
    api_server: ApiServer, alice: Client
) -> None:
    api_server.person("acme", "bob", BuiltInRole.MEMBER)
    with webhook_receiver() as receiver:
        make_webhook(alice, receiver.url)
        asked = ask(alice, alice, gate="{name: bob, approvers: {users: [bob@example.com]}}")
        deliver(api_server)

    (received,) = receiver.received
    (delivery,) = deliveries(alice)
    signed = received.headers["Opsicle-Timestamp"].encode() + b"." + received.body
    expected = hmac.new(KEY.encode(), signed, hashlib.sha256).hexdigest()

    assert received.headers["Opsicle-Signature"] == f"v1={expected}"
    assert received.headers["Opsicle-Delivery"] == delivery["id"]
    for query, found in (
        ("?kind=approval_requested&since=2000-01-01&state=delivered", [delivery]),
        ("?kind=channel_test", []),
        ("?since=2999-01-01", []),
        ("?until=2000-01-01", []),
        ("?until=2999-01-01", [delivery]),
        ("?recipient=nobody@example.com", []),
    ):
        assert deliveries(alice, query) == found, query
    assert alice.get("/api/v1/deliveries?kind=gossip").status == 400

    body = json.loads(received.body)
    assert (body["kind"], body["org"], body["approval"]) == (
        "approval_requested",
        "acme",
        asked["approval_id"],
    )
    assert body["subject"] == "alice@example.com asks to run restart-web version 1"
    assert body["url"] == f"https://ops.example.com/approvals/{asked['approval_id']}"

    facts = {fact["label"]: fact["text"] for fact in body["facts"]}
    assert (facts["Runs"], facts["Reason"]) == ("check: nginx -t", "it hangs")
    assert "hunter2" not in received.body.decode()

    assert (delivery["state"], delivery["attempts"], delivery["last_error"]) == ("delivered", 1, "")


def test_the_documentations_way_to_verify_a_signature_works(
    api_server: ApiServer, alice: Client
) -> None:
    guide = (Path(__file__).parents[2] / "docs/channels.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    is_genuine = names["is_genuine"]

    with webhook_receiver() as receiver:
        make_webhook(alice, receiver.url)
        post_notice(api_server, ALICE)
        deliver(api_server)
    (received,) = receiver.received

    old = {
        **received.headers,
        "Opsicle-Timestamp": str(int(received.headers["Opsicle-Timestamp"]) - 301),
    }

    assert is_genuine(KEY, received.headers, received.body)
    assert not is_genuine(KEY, received.headers, received.body + b" ")
    assert not is_genuine(KEY[::-1], received.headers, received.body)
    assert not is_genuine(KEY, old, received.body)

    resigned = hmac.new(
        KEY.encode(), old["Opsicle-Timestamp"].encode() + b"." + received.body, hashlib.sha256
    )
    assert not is_genuine(
        KEY, {**old, "Opsicle-Signature": f"v1={resigned.hexdigest()}"}, received.body
    )


def test_a_notice_of_a_transaction_that_was_undone_is_not_told(
    api_server: ApiServer, alice: Client
) -> None:
    make_webhook(alice, "https://hooks.example.com/")
    actor = api_server.actor(ALICE)
    notice = Notice(
        kind=NoticeKind.APPROVAL_REQUESTED,
        org_id=actor.org_id,
        recipients=(actor.user_id,),
        subject="undone",
    )

    def work(db: Any) -> None:
        api_server.services.outbox.post(db, notice)
        raise KeyError("undone")

    with pytest.raises(KeyError):
        api_server.state.write(work)
    assert deliveries(alice) == []


def test_what_fails_is_tried_again_ever_later_and_arrives_once_the_channel_is_back(
    api_server: ApiServer, alice: Client
) -> None:
    with webhook_receiver() as receiver:
        make_webhook(alice, receiver.url)
        receiver.status = 503
        post_notice(api_server, ALICE)
        for attempt in range(1, 6):
            deliver(api_server)
            (delivery,) = deliveries(alice)
            assert (delivery["state"], delivery["attempts"]) == ("failed", attempt)
            assert delivery["last_error"] == "the answer was 503"
            deliver(api_server)
            assert len(receiver.received) == attempt, "it was tried before its time"
            api_server.clock.advance(seconds=LONGEST_WAIT_SECONDS)
        receiver.status = 204
        deliver(api_server)
    assert deliveries(alice)[0]["state"] == "delivered"
    assert len({received.headers["Opsicle-Delivery"] for received in receiver.received}) == 1


def test_after_days_it_is_given_up_visibly_and_a_person_can_try_again(
    api_server: ApiServer, alice: Client
) -> None:
    with webhook_receiver() as receiver:
        make_webhook(alice, receiver.url)
        receiver.status = 500
        post_notice(api_server, ALICE)
        api_server.clock.advance(seconds=GIVE_UP_AFTER.total_seconds())
        deliver(api_server)

        (delivery,) = deliveries(api_server.session(ALICE), "?state=gave_up")
        receiver.status = 200
        assert deliveries(api_server.session(ALICE), "?state=delivered") == []

        again = api_server.session(ALICE).post(f"/api/v1/deliveries/{delivery['id']}/retry", {})
        assert (again.status, again.json["state"]) == (200, "queued")
        deliver(api_server)

    (delivery,) = deliveries(api_server.session(ALICE))
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 2)
    assert (
        api_server.session(ALICE).post(f"/api/v1/deliveries/{delivery['id']}/retry", {}).code
        == "conflict"
    )

    verbs = [
        entry["verb"] for entry in api_server.session(ALICE).get("/api/v1/audit").json["items"]
    ]
    assert verbs[:2] == ["retry", "give_up"]


def test_a_restart_loses_nothing_and_repeats_what_was_under_way(
    api_server: ApiServer, alice: Client, tmp_path: Path
) -> None:
    with webhook_receiver() as receiver:
        make_webhook(alice, receiver.url)
        post_notice(api_server, ALICE, subject="waiting")
        post_notice(api_server, ALICE, subject="under way")
        assert len(api_server.services.sender.claim(1)) == 1
        assert sorted(each["state"] for each in deliveries(alice)) == ["queued", "sending"]
        api_server.close()
        back = ApiServer(tmp_path / "data")
        assert back.services.sender.recover() == 1
        deliver(back)
        states = [each["state"] for each in deliveries(back.session(ALICE))]
        back.close()
        api_server.folder.open(tmp_path / "data")
    assert states == ["delivered", "delivered"]
    assert sorted(json.loads(each.body)["subject"] for each in receiver.received) == [
        "under way",
        "waiting",
    ]


def test_one_channel_that_is_down_holds_up_no_other(api_server: ApiServer, alice: Client) -> None:
    dead_webhook(alice)
    for _ in range(40):
        post_notice(api_server, ALICE)
    with webhook_receiver() as receiver:
        make_webhook(alice, receiver.url)
        post_notice(api_server, ALICE, subject="urgent")
        deliver(api_server)
        assert [json.loads(each.body)["subject"] for each in receiver.received] == ["urgent"]
    assert len(deliveries(alice, "?state=failed&limit=200")) == MOST_AT_ONCE.of_channel
    assert len(deliveries(alice, "?channel=dead&limit=200")) == 41


def test_a_channel_that_is_put_right_sends_at_once_what_failed(
    api_server: ApiServer, alice: Client
) -> None:
    dead_webhook(alice)
    post_notice(api_server, ALICE)
    deliver(api_server)
    assert "cannot be reached" in deliveries(alice)[0]["last_error"]
    with webhook_receiver() as receiver:
        assert alice.patch("/api/v1/channels/dead", revive(receiver)).status == 200
        deliver(api_server)
        assert len(receiver.received) == 1


def test_a_channel_that_is_off_keeps_what_it_has_and_takes_nothing_new(
    api_server: ApiServer, alice: Client
) -> None:
    with webhook_receiver() as receiver:
        make_webhook(alice, receiver.url)
        post_notice(api_server, ALICE, subject="before")
        alice.patch("/api/v1/channels/hooks", {"is_enabled": False})
        post_notice(api_server, ALICE, subject="meanwhile")
        deliver(api_server)
        assert receiver.received == []
        assert alice.get("/api/v1/channels/hooks").json["open_deliveries"] == 1
        alice.patch("/api/v1/channels/hooks", {"is_enabled": True})
        deliver(api_server)
    assert [json.loads(each.body)["subject"] for each in receiver.received] == ["before"]


def test_an_error_never_holds_the_credential(api_server: ApiServer, alice: Client) -> None:
    """Not even if the host's name has it, which the error names."""
    config = {"kind": "webhook", "url": f"https://{KEY}.invalid/"}
    alice.post("/api/v1/channels", {"name": "hooks", "config": config, "credential": KEY})
    post_notice(api_server, ALICE)
    deliver(api_server)
    assert deliveries(alice)[0]["last_error"] == "the name ***.invalid cannot be resolved"


def test_two_turns_at_once_send_a_delivery_once(api_server: ApiServer, alice: Client) -> None:
    with webhook_receiver() as receiver:
        make_webhook(alice, receiver.url)
        post_notice(api_server, ALICE)
        (delivery_id,) = api_server.services.sender.claim(9)
        assert api_server.services.sender.claim(9) == []
        api_server.services.sender.carry_out(delivery_id)
        api_server.services.sender.carry_out(delivery_id)
    assert len(receiver.received) == 1


def test_an_ended_automation_is_told_to_whoever_asked_for_it(
    api_server: ApiServer, alice: Client
) -> None:
    with webhook_receiver() as receiver:
        make_webhook(alice, receiver.url)
        automation_id = finish_one(api_server)
        deliver(api_server)
    (received,) = receiver.received
    body = json.loads(received.body)
    assert (body["kind"], body["automation"]) == ("automation_finished", automation_id)
    assert {"label": "State", "text": "succeeded"} in body["facts"]


def test_another_orgs_channels_hear_nothing(api_server: ApiServer, alice: Client) -> None:
    gina = api_server.session("gina@example.com")
    make_webhook(gina, "https://hooks.example.com/")
    make_webhook(alice, "https://hooks.example.com/")
    post_notice(api_server, ALICE)
    assert len(deliveries(alice)) == 1
    assert deliveries(gina) == []


def test_old_deliveries_are_forgotten_and_open_ones_are_not(
    api_server: ApiServer, alice: Client
) -> None:
    with webhook_receiver() as receiver:
        make_webhook(alice, receiver.url)
        post_notice(api_server, ALICE)
        deliver(api_server)
    post_notice(api_server, ALICE)
    api_server.clock.advance(days=2)
    assert api_server.services.sender.prune(GIVE_UP_AFTER) == 0
    assert api_server.services.sender.prune(GIVE_UP_AFTER / 2) == 1
    assert [each["state"] for each in deliveries(alice)] == ["queued"]


def test_people_choose_what_they_hear_of(api_server: ApiServer, alice: Client) -> None:
    bob = api_server.person("acme", "bob", BuiltInRole.MEMBER)
    config = {"kind": "email", "host": "mail.example.com", "sender": "opsicle@example.com"}
    assert alice.post("/api/v1/channels", {"name": "mail", "config": config}).status == 201
    choice = {"channel": "mail", "notice": "automation_finished", "is_on": False}
    assert bob.call("PUT", "/api/v1/preferences", choice).json["is_on"] is False
    assert [
        p["notice"] for p in bob.get("/api/v1/preferences").json["items"] if not p["is_on"]
    ] == [
        choice["notice"],
        "automation_succeeded",
    ]
    post_notice(api_server, "bob@example.com", kind=NoticeKind.AUTOMATION_FINISHED)
    assert deliveries(alice) == []
    post_notice(api_server, "bob@example.com", ALICE)
    assert sorted(each["recipient"] for each in deliveries(alice)) == [ALICE, "bob@example.com"]
    assert bob.call("PUT", "/api/v1/preferences", {**choice, "channel": "absent"}).status == 404


MAIL = {"kind": "email", "host": "mail.example.com", "sender": "opsicle@example.com"}


def test_whoever_asked_is_told_of_failures_and_of_successes_if_they_want_to(
    api_server: ApiServer, alice: Client
) -> None:
    assert alice.post("/api/v1/channels", {"name": "mail", "config": MAIL}).status == 201

    finish_one(api_server)
    assert deliveries(alice) == []
    finish_one(api_server, state=JobState.FAILED)
    assert [each["subject"] for each in deliveries(alice)] == ["restart-web failed"]
    choice = {"channel": "mail", "notice": "automation_succeeded", "is_on": True}
    assert alice.call("PUT", "/api/v1/preferences", choice).json["is_on"] is True
    finish_one(api_server)

    assert [each["subject"] for each in deliveries(alice)] == [
        "restart-web succeeded",
        "restart-web failed",
    ]


def test_what_is_for_a_service_account_goes_to_whoever_answers_for_it(
    api_server: ApiServer, alice: Client
) -> None:
    assert alice.post("/api/v1/channels", {"name": "mail", "config": MAIL}).status == 201
    api_server.person("acme", "olga", BuiltInRole.OPERATOR)
    bot = {"name": "deploy-bot", "role": "operator", "owner": "olga@example.com"}
    assert alice.post("/api/v1/service-accounts", bot).status == 201

    finish_one(api_server, state=JobState.FAILED, by="deploy-bot@acme.service")

    assert [each["recipient"] for each in deliveries(alice)] == ["olga@example.com"]


def test_whoever_has_left_hears_nothing_more(api_server: ApiServer, alice: Client) -> None:
    api_server.person("acme", "bob", BuiltInRole.MEMBER)
    config = {"kind": "email", "host": "mail.example.com", "sender": "opsicle@example.com"}
    alice.post("/api/v1/channels", {"name": "mail", "config": config})
    post_notice(api_server, "bob@example.com")
    alice.patch("/api/v1/users/bob@example.com", {"is_disabled": True})
    deliver(api_server)
    (delivery,) = deliveries(alice)
    assert (delivery["state"], delivery["last_error"]) == (
        "gave_up",
        "the recipient no longer belongs to the org",
    )
