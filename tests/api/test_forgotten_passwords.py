"""A link for a new password by e-mail: for whom there is one to send, and without telling anybody who that is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsicle.domain.access import Role
from opsicle.server.members.resets import MAX_PER_ACCOUNT, MAX_PER_ADDRESS
from opsicle.server.store import memberships
from opsicle.server.store.memberships import MemberRow
from tests.api.running_server import Answer, Client, House
from tests.api.receivers import MailServer, certified, mail_server
from tests.api.channel_setup import deliver, deliveries, make_email

ALICE, BOB = "alice@example.com", "bob@example.com"
NEW = "another horse battery staple"


@pytest.fixture
def alice(house: House) -> Client:
    return house.session(ALICE)


@pytest.fixture
def server(alice: Client, tmp_path: Path) -> Iterator[MailServer]:
    """A mail server that acme's channel uses."""
    certificate = certified(tmp_path, "localhost")
    with mail_server(certificate.context) as server:
        make_email(alice, server, certificate.ca_pem)
        yield server


def forgot(house: House, email: str, address: str = "10.0.0.1") -> Answer:
    client = house.client()
    client.address = address
    return client.post("/api/v1/password/forgotten", {"email": email})


def tokens(server: MailServer) -> list[str]:
    bodies = [message.get_body(("plain",)) for message in server.mailbox.messages]
    return [found for body in bodies if body for found in re.findall(r"/reset#token=(\S+)", body.get_content())]


def test_a_link_comes_by_email_and_sets_a_password_once(house: House, server: MailServer) -> None:
    house.person("acme", "bob", Role.MEMBER)
    assert forgot(house, BOB.upper()).status == 202
    deliver(house)
    (token,) = tokens(server)
    assert server.mailbox.recipients == [BOB]
    assert house.client().post("/api/v1/password/reset", {"token": token, "password": NEW}).status == 204
    assert house.client().post("/api/v1/password/reset", {"token": token, "password": NEW}).status == 401
    assert house.client().post("/api/v1/login", {"email": BOB, "password": NEW}).status == 200


def test_the_token_stands_in_no_file_and_no_list(house: House, alice: Client, server: MailServer) -> None:
    house.person("acme", "bob", Role.MEMBER)
    forgot(house, BOB)
    deliver(house)
    (token,) = tokens(server)
    shown = alice.get("/api/v1/deliveries").content + alice.get("/api/v1/audit").content
    files = b"".join(path.read_bytes() for path in house.folder.path.rglob("*.db*"))
    assert token.encode() not in shown + files


def test_a_link_is_good_for_an_hour(house: House, server: MailServer) -> None:
    house.person("acme", "bob", Role.MEMBER)
    forgot(house, BOB)
    deliver(house)
    house.clock.advance(minutes=61)
    body = {"token": tokens(server)[0], "password": NEW}
    assert house.client().post("/api/v1/password/reset", body).status == 401


def test_nobody_learns_whether_there_is_an_account(house: House, alice: Client, server: MailServer) -> None:
    house.person("acme", "bob", Role.MEMBER)
    house.person("acme", "gone", Role.MEMBER)
    alice.patch("/api/v1/users/gone@example.com", {"is_disabled": True})
    gina = "gina@example.com"  # her org has no e-mail channel
    answers = [forgot(house, email) for email in (BOB, "nobody@example.com", "gone@example.com", gina)]
    assert {(answer.status, answer.content) for answer in answers} == {(202, b"{}")}
    assert [each["recipient"] for each in deliveries(alice)] == [BOB]


def test_an_account_of_several_orgs_gets_no_link(house: House, alice: Client, server: MailServer) -> None:
    bob = house.person("acme", "bob", Role.MEMBER).get("/api/v1/whoami").json["user"]
    globex = house.actor("gina@example.com").org_id
    row = MemberRow(bob["id"], BOB, "bob", Role.MEMBER, None, None, is_disabled=False, created_at=house.clock.now())
    forgot(house, BOB)
    house.state.write(lambda db: memberships.insert(db, globex, row))
    forgot(house, BOB)
    deliver(house)
    assert [(each["state"], each["last_error"]) for each in deliveries(alice)] == [
        ("gave_up", "the account is no longer this org's alone")
    ]
    assert server.mailbox.messages == []


def test_nobody_is_flooded_and_nobody_floods(house: House, alice: Client, server: MailServer) -> None:
    house.person("acme", "bob", Role.MEMBER)
    answers = [forgot(house, BOB, f"10.0.{number}.1").status for number in range(10)]
    assert answers == [202] * 10
    assert len(deliveries(alice)) == MAX_PER_ACCOUNT
    statuses = [forgot(house, f"x{number}@example.com", "10.9.9.9").status for number in range(MAX_PER_ADDRESS + 1)]
    assert statuses == [202] * MAX_PER_ADDRESS + [429]
    house.clock.advance(minutes=16)
    forgot(house, BOB)
    assert len(deliveries(alice)) == MAX_PER_ACCOUNT + 1


def test_asking_for_links_does_not_lock_the_account(house: House, server: MailServer) -> None:
    for number in range(20):
        forgot(house, ALICE, f"10.0.{number}.1")
    house.login(ALICE)
