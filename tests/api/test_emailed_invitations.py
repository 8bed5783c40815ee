"""Invitations that the org's e-mail channel brings to whom they are for.

Alice invites. The link is nobody's but the mailbox's; an org cannot flood strangers.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.server.members import invitation_mail
from tests.api.channel_setup import deliver, deliveries, entries
from tests.api.receivers import MailServer
from tests.api.running_server import PASSWORD, Answer, ApiServer, Client

ALICE, BOB = "alice@example.com", "bob@example.com"


@pytest.fixture
def alice(api_server: ApiServer) -> Client:
    return api_server.session(ALICE)


def invite(admin: Client, email: str = BOB, **more: object) -> Answer:
    body = {"email": email, "role": "member", "is_emailed": True, **more}
    return admin.post("/api/v1/invitations", body)


def renew(admin: Client, invitation: str, *, is_emailed: bool = True) -> Answer:
    path = f"/api/v1/invitations/{invitation}/renew"
    return admin.post(path, {"is_emailed": is_emailed})


def texts(server: MailServer) -> list[str]:
    bodies = [message.get_body(("plain",)) for message in server.mailbox.messages]
    return [str(body.get_content()) for body in bodies if body]


def tokens(server: MailServer) -> list[str]:
    return [
        found for text in texts(server) for found in re.findall(r"/invitation#token=(\S+)", text)
    ]


def who_only_invites(api_server: ApiServer, admin: Client) -> Client:
    """Log in somebody who may manage people, and not channels."""
    rules = ["allow view users", "allow manage users"]
    assert admin.post("/api/v1/roles", {"name": "host", "rules": rules}).status == 201
    return api_server.person("acme", "ivy", "host")


def accept(api_server: ApiServer, token: str) -> Answer:
    body = {"token": token, "password": PASSWORD, "name": "Bob"}
    return api_server.client().post("/api/v1/invitations/accept", body)


def emailed(admin: Client) -> Any:
    (invitation,) = admin.get("/api/v1/invitations").json["items"]
    return invitation["emailed"]


def test_the_link_goes_to_the_address_and_stands_nowhere_else(
    api_server: ApiServer, alice: Client, server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    made = invite(alice, BOB.upper())
    assert (made.status, made.json["url"]) == (201, None)
    assert emailed(alice)["state"] == "queued"
    deliver(api_server)

    (token,), (text,) = tokens(server), texts(server)
    assert server.mailbox.recipients == [BOB]
    assert server.mailbox.messages[0]["Subject"] == f"{ALICE} invites you to join acme"
    assert f"Invited by: {ALICE}" in text
    assert "The link is good until: " in text
    assert emailed(alice)["state"] == "delivered"

    shown = b"".join(
        alice.get(f"/api/v1/{each}").content for each in ("deliveries", "audit", "invitations")
    )
    files = b"".join(path.read_bytes() for path in api_server.folder.path.rglob("*.db*"))
    assert token.encode() not in made.content + shown + files + caplog.text.encode()
    (entry,) = entries(alice, "invite")
    assert entry["data"]["is_emailed"] is True

    assert accept(api_server, token).status == 200
    assert accept(api_server, token).status == 401


def test_a_renewed_link_ends_the_one_before_and_needs_no_channel_to_be_shown(
    api_server: ApiServer, alice: Client, server: MailServer
) -> None:
    """A resend cannot repeat a link of which only the hash is kept; nor should it.

    The first may lie in somebody else's mailbox.
    """
    invite(alice)
    deliver(api_server)
    (first,) = alice.get("/api/v1/invitations").json["items"]
    api_server.clock.advance(days=2)

    again = renew(alice, first["id"])
    deliver(api_server)

    old, new = tokens(server)
    assert again.status == 201
    assert again.json["invitation"]["expires_at"] > first["expires_at"]
    assert accept(api_server, old).status == 401
    assert renew(alice, first["id"]).status == 404  # that one is over
    shown = renew(alice, again.json["invitation"]["id"], is_emailed=False)
    assert accept(api_server, new).status == 401
    assert accept(api_server, shown.json["url"].partition("token=")[2]).status == 200


def test_who_invites_sees_why_it_was_not_sent_and_a_later_attempt_has_a_link_of_its_own(
    api_server: ApiServer, alice: Client, server: MailServer
) -> None:
    server.mailbox.refusal = "451 come back later"
    invite(alice)
    deliver(api_server)
    assert emailed(alice)["state"] == "failed"
    assert emailed(alice)["error"] == "the mail server refused the recipient (451)"
    sending = alice.get("/api/v1/invitations/delivery").json
    assert sending == {"channel": "mail", "problem": emailed(alice)["error"]}
    inviter = who_only_invites(api_server, alice)
    told = inviter.get("/api/v1/invitations/delivery").json["problem"]
    assert told == emailed(inviter)["error"] != sending["problem"]
    assert "whoever manages the channels sees why" in told

    server.mailbox.refusal = ""
    api_server.clock.advance(minutes=5)
    deliver(api_server)

    assert emailed(alice)["state"] == "delivered"
    assert alice.get("/api/v1/invitations/delivery").json["problem"] == ""
    assert accept(api_server, tokens(server)[0]).status == 200


def test_what_was_revoked_while_it_waited_is_not_sent(
    api_server: ApiServer, alice: Client, server: MailServer
) -> None:
    made = invite(alice)
    assert alice.delete(f"/api/v1/invitations/{made.json['invitation']['id']}").status == 204

    deliver(api_server)

    assert server.mailbox.messages == []
    (delivery,) = deliveries(alice)
    assert (delivery["state"], delivery["last_error"]) == (
        "gave_up",
        "the invitation is open no longer",
    )
    sending = alice.get("/api/v1/invitations/delivery").json
    assert sending == {"channel": "mail", "problem": ""}, "nothing is wrong with the channel"


def test_an_org_without_an_email_channel_is_told_so(alice: Client) -> None:
    assert alice.get("/api/v1/invitations/delivery").json["channel"] is None
    answer = invite(alice)
    assert (answer.status, answer.code) == (409, "conflict")
    assert alice.get("/api/v1/invitations").json["items"] == []


def test_nobody_sends_invitations_who_may_not_invite(
    api_server: ApiServer, alice: Client, server: MailServer
) -> None:
    mallory = api_server.person("acme", "mallory", BuiltInRole.OPERATOR)
    made = invite(alice).json["invitation"]["id"]
    gina = api_server.session("gina@example.com")  # an admin, of another org

    refused = [invite(mallory).status, renew(mallory, made).status]
    refused.append(mallory.get("/api/v1/invitations/delivery").status)

    assert refused == [403, 403, 403]
    assert renew(gina, made).status == 404
    deliver(api_server)
    assert len(server.mailbox.messages) == 1


@pytest.mark.parametrize(
    "address", ["bob@example.com\r\nBcc: eve@example.com", "bob@example.com,eve@example.com"]
)
def test_no_address_adds_a_header_or_a_recipient(
    api_server: ApiServer, alice: Client, server: MailServer, address: str
) -> None:
    assert invite(alice, address).code == "invalid_input"
    deliver(api_server)
    assert server.mailbox.messages == []


def test_no_name_of_an_org_adds_a_header_or_a_line(
    api_server: ApiServer, alice: Client, server: MailServer
) -> None:
    hostile = "Acme\r\nBcc: eve@example.com\u2028\u202ehttps://evil.example " + "x" * 150
    api_server.state.write(
        lambda db: db.execute("UPDATE orgs SET name = :name WHERE code = 'acme'", {"name": hostile})
    )
    invite(alice)
    deliver(api_server)

    (message,), (text,) = server.mailbox.messages, texts(server)
    assert server.mailbox.recipients == [BOB]
    assert message["Bcc"] is None
    assert "\nBcc" not in text
    assert "\u202e" not in text + message["Subject"]
    assert len(message["Subject"]) < 140


def test_an_org_sends_only_so_many_a_day_and_fewer_to_one_address(
    api_server: ApiServer, alice: Client, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither ending them nor a new channel makes room."""
    monkeypatch.setattr(invitation_mail, "MAX_PER_ORG", 5)
    to_bob = [invite(alice) for _ in range(invitation_mail.MAX_PER_ADDRESS + 1)]
    assert [each.status for each in to_bob] == [201, 201, 201, 429]
    assert "bob@example.com was sent 3 invitations" in to_bob[-1].json["detail"]
    (open_one,) = alice.get("/api/v1/invitations").json["items"]
    assert renew(alice, open_one["id"]).status == 429
    assert renew(alice, open_one["id"], is_emailed=False).status == 201

    others = [invite(alice, f"new-{number}@example.com").status for number in range(3)]
    assert others == [201, 201, 429]
    gina = api_server.session("gina@example.com")
    assert invite(gina).code == "conflict", "another org is no further than before"
    for each in alice.get("/api/v1/invitations").json["items"]:
        alice.delete(f"/api/v1/invitations/{each['id']}")
    config = {"kind": "email", "host": "localhost", "sender": "o@example.com"}
    assert alice.delete("/api/v1/channels/mail").status == 204
    assert alice.post("/api/v1/channels", {"name": "new", "config": config}).status == 201
    assert invite(alice, "last@example.com").status == 429
    assert invite(alice, "last@example.com", is_emailed=False).status == 201

    api_server.clock.advance(days=1, seconds=1)
    assert invite(api_server.session(ALICE)).status == 201


def test_nobody_joins_an_org_that_is_suspended_until_it_goes_on(
    api_server: ApiServer, alice: Client, server: MailServer
) -> None:
    api_server.server_operator("gina@example.com")
    gina = api_server.session("gina@example.com")
    invite(alice)
    deliver(api_server)
    invite(alice, "carol@example.com")
    assert gina.post("/api/v1/server/orgs/acme/suspend", {"reason": "unpaid"}).status == 200
    (token,) = tokens(server)

    look = api_server.client().post("/api/v1/invitations/look", {"token": token})
    refused = accept(api_server, token)
    deliver(api_server)

    assert [(each.status, each.code) for each in (look, refused)] == [(409, "suspended")] * 2
    assert refused.json["detail"] == "the org acme is suspended: nobody can join it now"
    assert b"unpaid" not in refused.content
    people = {
        each["email"] for each in api_server.session(ALICE).get("/api/v1/users").json["items"]
    }
    assert BOB not in people
    assert len(server.mailbox.messages) == 1, "nothing goes out meanwhile"

    assert gina.post("/api/v1/server/orgs/acme/resume").status == 200
    assert accept(api_server, token).status == 200


def test_no_invitation_goes_by_a_delivery_of_another_org(
    api_server: ApiServer, alice: Client, server: MailServer
) -> None:
    """An org that was imported may name any."""
    gina = api_server.session("gina@example.com")
    link = invite(gina, is_emailed=False).json["url"]
    invite(alice)
    sql = (
        "UPDATE invitations SET delivery_id = (SELECT id FROM deliveries) WHERE delivery_id IS NULL"
    )
    api_server.state.write(lambda db: db.execute(sql))

    deliver(api_server)

    assert emailed(alice)["state"] == "delivered"
    assert emailed(gina)["state"] == "gave_up"
    assert [accept(api_server, tokens(server)[0]).status] == [200]
    assert accept(api_server, link.partition("token=")[2]).status == 200
