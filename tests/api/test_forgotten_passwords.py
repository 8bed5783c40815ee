"""A link for a new password by e-mail.

For whom there is one to send, and without telling anybody who that is.
"""

from __future__ import annotations

import re

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.server.members.resets import MAX_PER_ACCOUNT, MAX_PER_ADDRESS
from opsicle.server.store import memberships
from opsicle.server.store.memberships import MemberRow
from tests.api.channel_setup import deliver, deliveries
from tests.api.receivers import MailServer
from tests.api.running_server import Answer, ApiServer, Client

ALICE, BOB = "alice@example.com", "bob@example.com"
NEW = "another horse battery staple"


@pytest.fixture
def alice(api_server: ApiServer) -> Client:
    return api_server.session(ALICE)


def forgot(api_server: ApiServer, email: str, address: str = "10.0.0.1") -> Answer:
    client = api_server.client()
    client.address = address
    return client.post("/api/v1/password/forgotten", {"email": email})


def tokens(server: MailServer) -> list[str]:
    bodies = [message.get_body(("plain",)) for message in server.mailbox.messages]
    return [
        found
        for body in bodies
        if body
        for found in re.findall(r"/reset#token=(\S+)", body.get_content())
    ]


def test_a_link_comes_by_email_and_sets_a_password_once(
    api_server: ApiServer, server: MailServer
) -> None:
    api_server.person("acme", "bob", BuiltInRole.MEMBER)
    assert forgot(api_server, BOB.upper()).status == 202
    deliver(api_server)
    (token,) = tokens(server)
    assert server.mailbox.recipients == [BOB]
    assert (
        api_server.client().post("/api/v1/password/reset", {"token": token, "password": NEW}).status
        == 204
    )
    assert (
        api_server.client().post("/api/v1/password/reset", {"token": token, "password": NEW}).status
        == 401
    )
    assert api_server.client().post("/api/v1/login", {"email": BOB, "password": NEW}).status == 200


def test_the_token_stands_in_no_file_and_no_list(
    api_server: ApiServer, alice: Client, server: MailServer
) -> None:
    api_server.person("acme", "bob", BuiltInRole.MEMBER)
    forgot(api_server, BOB)
    deliver(api_server)
    (token,) = tokens(server)
    shown = alice.get("/api/v1/deliveries").content + alice.get("/api/v1/audit").content
    files = b"".join(path.read_bytes() for path in api_server.folder.path.rglob("*.db*"))
    assert token.encode() not in shown + files


def test_a_link_is_good_for_an_hour(api_server: ApiServer, server: MailServer) -> None:
    api_server.person("acme", "bob", BuiltInRole.MEMBER)
    forgot(api_server, BOB)
    deliver(api_server)
    api_server.clock.advance(minutes=61)
    body = {"token": tokens(server)[0], "password": NEW}
    assert api_server.client().post("/api/v1/password/reset", body).status == 401


def test_nobody_learns_whether_there_is_an_account(
    api_server: ApiServer, alice: Client, server: MailServer
) -> None:
    api_server.person("acme", "bob", BuiltInRole.MEMBER)
    api_server.person("acme", "gone", BuiltInRole.MEMBER)
    alice.patch("/api/v1/users/gone@example.com", {"is_disabled": True})
    gina = "gina@example.com"  # her org has no e-mail channel
    answers = [
        forgot(api_server, email) for email in (BOB, "nobody@example.com", "gone@example.com", gina)
    ]
    assert {(answer.status, answer.content) for answer in answers} == {(202, b"{}")}
    assert [each["recipient"] for each in deliveries(alice)] == [BOB]


def test_an_account_of_several_orgs_gets_no_link(
    api_server: ApiServer, alice: Client, server: MailServer
) -> None:
    bob = api_server.person("acme", "bob", BuiltInRole.MEMBER).get("/api/v1/whoami").json["user"]
    globex = api_server.actor("gina@example.com").org_id
    row = MemberRow(
        bob["id"],
        BOB,
        "bob",
        BuiltInRole.MEMBER,
        None,
        None,
        is_disabled=False,
        created_at=api_server.clock.now(),
    )

    forgot(api_server, BOB)
    api_server.state.write(lambda db: memberships.insert(db, globex, row))
    forgot(api_server, BOB)
    deliver(api_server)

    assert [(each["state"], each["last_error"]) for each in deliveries(alice)] == [
        ("gave_up", "the account is no longer this org's alone")
    ]
    assert server.mailbox.messages == []


def test_nobody_is_flooded_and_nobody_floods(
    api_server: ApiServer, alice: Client, server: MailServer
) -> None:
    api_server.person("acme", "bob", BuiltInRole.MEMBER)
    answers = [forgot(api_server, BOB, f"10.0.{number}.1").status for number in range(10)]
    assert answers == [202] * 10
    assert len(deliveries(alice)) == MAX_PER_ACCOUNT
    statuses = [
        forgot(api_server, f"x{number}@example.com", "10.9.9.9").status
        for number in range(MAX_PER_ADDRESS + 1)
    ]
    assert statuses == [202] * MAX_PER_ADDRESS + [429]
    api_server.clock.advance(minutes=16)
    forgot(api_server, BOB)
    assert len(deliveries(alice)) == MAX_PER_ACCOUNT + 1


def test_asking_for_links_does_not_lock_the_account(
    api_server: ApiServer, server: MailServer
) -> None:
    for number in range(20):
        forgot(api_server, ALICE, f"10.0.{number}.1")
    api_server.login(ALICE)
