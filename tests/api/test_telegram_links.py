"""A Telegram user is linked to an account by a code, which is not guessed."""

from __future__ import annotations

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.server.store import chat_links
from tests.api.authenticator_app import enrol
from tests.api.running_server import ApiServer, Client
from tests.api.telegram_api import TelegramApi, TelegramUser
from tests.api.telegram_chat import link, listen, make_telegram, write

ALICE, BOB = "alice@example.com", "bob@example.com"


@pytest.fixture
def alice(api_server: ApiServer, telegram: TelegramApi) -> Client:
    """Return Alice, who has made the channel."""
    return make_telegram(api_server, telegram)


def test_a_code_links_a_chat_user_to_an_account_once(
    api_server: ApiServer, alice: Client, phone: TelegramUser, telegram: TelegramApi
) -> None:
    bob = api_server.person("acme", "bob", BuiltInRole.MEMBER)
    made = bob.post("/api/v1/chat-links", {"channel": "bot"}).json

    assert write(api_server, phone, f"/link {made['code'].lower()}") == [
        f"You are {BOB} here from now on."
    ]

    (shown,) = bob.get("/api/v1/chat-links").json["items"]
    assert (shown["channel"], shown["chat_user"]) == ("bot", str(phone.id))

    thief = TelegramUser(telegram, phone.id + 1)
    assert write(api_server, thief, f"/link {made['code']}") == [
        "This code is not good, or no longer."
    ]

    verbs = [
        entry["verb"] for entry in api_server.session(ALICE).get("/api/v1/audit").json["items"]
    ]
    assert verbs.count("link_chat") == 1

    assert bob.delete("/api/v1/chat-links/bot").status == 204
    assert bob.delete("/api/v1/chat-links/bot").status == 404


def test_a_code_is_good_for_ten_minutes_and_for_one_channel(
    api_server: ApiServer, alice: Client, phone: TelegramUser
) -> None:
    bob = api_server.person("acme", "bob", BuiltInRole.MEMBER)
    code = bob.post("/api/v1/chat-links", {"channel": "bot"}).json["code"]
    api_server.clock.advance(minutes=11)
    assert write(api_server, phone, f"/link {code}") == ["This code is not good, or no longer."]
    assert bob.post("/api/v1/chat-links", {"channel": "absent"}).status == 404


def test_a_code_asks_for_proof_and_no_api_token_gets_one(
    api_server: ApiServer, alice: Client
) -> None:
    token = alice.post("/api/v1/tokens", {"name": "ci"}).json["token"]
    assert api_server.client(token).post("/api/v1/chat-links", {"channel": "bot"}).status == 403
    enrol(api_server, alice)
    api_server.clock.advance(minutes=10)
    assert alice.post("/api/v1/chat-links", {"channel": "bot"}).code == "step_up_required"


def test_codes_are_not_guessed(api_server: ApiServer, alice: Client, phone: TelegramUser) -> None:
    for _ in range(60):
        phone.write("/link AAAAAAAAAA")
    bob = api_server.person("acme", "bob", BuiltInRole.MEMBER)
    listen(api_server)
    phone.read()
    assert link(api_server, bob, phone) == ["too many wrong attempts"]


def test_a_link_of_one_org_is_nothing_in_another(
    api_server: ApiServer, alice: Client, phone: TelegramUser
) -> None:
    link(api_server, api_server.person("acme", "bob", BuiltInRole.MANAGER), phone)

    org_ids = [api_server.actor(who).org_id for who in (ALICE, "gina@example.com")]
    found = [
        api_server.state.read(
            lambda db, org_id=org_id: chat_links.find_user(db, org_id, "telegram", str(phone.id))
        )
        for org_id in org_ids
    ]

    assert found == [api_server.actor(BOB).user_id, None]
