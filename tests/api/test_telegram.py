"""Telegram: who is linked is told, and what they press counts as their account's decision, with its role and proof."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from opsicle.domain.access import Action, Role
from opsicle.domain.errors import Conflict, InvalidInput, Problem, StepUpRequired
from opsicle.domain.notices import NoticeKind
from opsicle.domain.policies import Chat
from opsicle.pki import totp
from opsicle.server.approver.messages import Undelivered
from opsicle.server.services.actor import Actor
from opsicle.server.store import chat_links
from tests.api.authenticator_app import enrol
from tests.api.house import Client, House
from tests.api.receivers import LOOPBACK
from tests.api.telegram_api import TOKEN, TelegramApi, TelegramUser, telegram_api
from tests.api.telling import deliver, deliveries, post_notice

ALICE, BOB = "alice@example.com", "bob@example.com"


@dataclass
class Decider:
    """Stands where the approvals stand: decides in memory, by the role, once, with a proof where it is asked for."""

    house: House
    needs_proof: bool = False
    needs_reason: bool = False
    decided: list[tuple[str, str, str, str]] = field(default_factory=list)
    actors: list[Actor] = field(default_factory=list)

    def decide(self, actor: Actor, approval_id: str, verdict: str, reason: str, code: str) -> None:
        actor.require(Action.APPROVALS_DECIDE)
        if any(approval_id == decided for _, decided, *_ in self.decided):
            raise Conflict("it is decided already")
        if self.needs_reason and not reason:
            raise InvalidInput("a reason is needed", problems=(Problem("reason", "a reason is needed"),))
        if self.needs_proof and not code:
            raise StepUpRequired("a fresh code is needed")
        if self.needs_proof:
            self.house.services.identity.apps.prove(actor, code, lambda _db: None)
        self.decided.append((actor.email, approval_id, verdict, reason))
        self.actors.append(actor)


@pytest.fixture(scope="module")
def api() -> Iterator[TelegramApi]:
    with telegram_api() as api:
        yield api


@pytest.fixture
def decider(house: House) -> Decider:
    decider = Decider(house)
    house.services.chats.decide = decider.decide
    return decider


@pytest.fixture
def alice(house: House, api: TelegramApi) -> Client:
    """Alice, who has made the channel."""
    alice = house.session(ALICE)
    config = {"kind": "telegram", "base_url": api.url, "allow_networks": LOOPBACK}
    made = alice.post("/api/v1/channels", {"name": "bot", "config": config, "credential": TOKEN})
    assert made.status == 201, made.content
    listen(house)  # what earlier tests have left
    return alice


@pytest.fixture
def phone(api: TelegramApi, request: pytest.FixtureRequest) -> TelegramUser:
    """Bob's Telegram account, another one in every test."""
    return TelegramUser(api, abs(hash(request.node.nodeid)) % 10**9 + 1)


@pytest.fixture
def bob(house: House, alice: Client, phone: TelegramUser) -> Client:
    """Bob, linked to his Telegram account."""
    bob = house.person("acme", "bob", Role.MEMBER)
    link(house, bob, phone)
    return bob


def listen(house: House) -> None:
    for channel in house.services.telegram.channels():
        house.services.telegram.poll(channel, 0)


def link(house: House, person: Client, phone: TelegramUser) -> list[str]:
    code = person.post("/api/v1/chat-links", {"channel": "bot"}).json["code"]
    phone.write(f"/link {code}")
    listen(house)
    return phone.texts()


def press(house: House, phone: TelegramUser, data: str) -> list[str]:
    phone.press(data)
    listen(house)
    return phone.texts()


def write(house: House, phone: TelegramUser, text: str) -> list[str]:
    phone.write(text)
    listen(house)
    return phone.texts()


def test_a_code_links_a_chat_user_to_an_account_once(
    house: House, alice: Client, phone: TelegramUser, api: TelegramApi
) -> None:
    bob = house.person("acme", "bob", Role.MEMBER)
    made = bob.post("/api/v1/chat-links", {"channel": "bot"}).json
    assert write(house, phone, f"/link {made['code'].lower()}") == [f"You are {BOB} here from now on."]
    (shown,) = bob.get("/api/v1/chat-links").json["items"]
    assert (shown["channel"], shown["chat_user"]) == ("bot", str(phone.id))
    thief = TelegramUser(api, phone.id + 1)
    assert write(house, thief, f"/link {made['code']}") == ["This code is not good, or no longer."]
    verbs = [entry["verb"] for entry in house.session(ALICE).get("/api/v1/audit").json["items"]]
    assert verbs.count("link_chat") == 1
    assert bob.delete("/api/v1/chat-links/bot").status == 204
    assert bob.delete("/api/v1/chat-links/bot").status == 404


def test_a_code_is_good_for_ten_minutes_and_for_one_channel(house: House, alice: Client, phone: TelegramUser) -> None:
    bob = house.person("acme", "bob", Role.MEMBER)
    code = bob.post("/api/v1/chat-links", {"channel": "bot"}).json["code"]
    house.clock.advance(minutes=11)
    assert write(house, phone, f"/link {code}") == ["This code is not good, or no longer."]
    assert bob.post("/api/v1/chat-links", {"channel": "absent"}).status == 404


def test_a_code_asks_for_proof_and_no_api_token_gets_one(house: House, alice: Client) -> None:
    token = alice.post("/api/v1/tokens", {"name": "ci"}).json["token"]
    assert house.client(token).post("/api/v1/chat-links", {"channel": "bot"}).status == 403
    enrol(house, alice)
    house.clock.advance(minutes=10)
    assert alice.post("/api/v1/chat-links", {"channel": "bot"}).code == "step_up_required"


def test_codes_are_not_guessed(house: House, alice: Client, phone: TelegramUser) -> None:
    for _ in range(60):
        phone.write("/link AAAAAAAAAA")
    bob = house.person("acme", "bob", Role.MEMBER)
    listen(house)
    phone.read()
    assert link(house, bob, phone) == ["too many wrong attempts"]


def test_whoever_is_linked_is_told_with_buttons_and_whoever_is_not_is_not(
    house: House, bob: Client, phone: TelegramUser
) -> None:
    post_notice(house, BOB, ALICE, subject="Restart?\n<b>", approval_id="a1")
    deliver(house)
    (message,) = phone.read()
    assert message["text"].splitlines() == ["Restart? <b>", "https://ops.example.com/approvals/a1"]
    assert "parse_mode" not in message
    pressed = [button["callback_data"] for row in message["reply_markup"]["inline_keyboard"] for button in row]
    assert pressed == ["approve:a1", "reject:a1"]
    post_notice(house, BOB, kind=NoticeKind.APPROVAL_ENDED, approval_id="a1")
    deliver(house)
    assert "reply_markup" not in phone.read()[0]


def test_a_room_of_the_policy_is_told_too(house: House, alice: Client, api: TelegramApi) -> None:
    room = TelegramUser(api, 1, room=-100_200, kind="group")
    post_notice(house, chats=(Chat("telegram", "-100200"), Chat("slack", "C1")), approval_id="a1")
    deliver(house)
    assert len(room.read()) == 1
    assert [each["recipient"] for each in deliveries(alice)] == ["-100200"]


def test_a_press_decides_as_the_account_with_its_role(
    house: House, bob: Client, phone: TelegramUser, decider: Decider
) -> None:
    assert press(house, phone, "approve:a1") == ["Approved."]
    assert press(house, phone, "approve:a1") == ["it is decided already"]
    assert press(house, phone, "reject:a2") == ["Rejected."]
    assert decider.decided == [(BOB, "a1", "approve", ""), (BOB, "a2", "reject", "")]
    actor = decider.actors[0]
    assert (actor.channel, actor.address, actor.role) == ("telegram", f"telegram:{phone.id}", Role.MEMBER)


def test_a_role_or_membership_lost_since_is_lost_in_the_chat_too(
    house: House, alice: Client, bob: Client, phone: TelegramUser, decider: Decider
) -> None:
    alice.patch(f"/api/v1/users/{BOB}", {"role": "reporter"})
    (answer,) = press(house, phone, "approve:a1")
    assert "may not do this" in answer
    alice.patch(f"/api/v1/users/{BOB}", {"role": "member", "is_disabled": True})
    assert "not linked" in press(house, phone, "approve:a1")[0]
    assert decider.decided == []


def test_a_stranger_decides_nothing_not_even_in_a_room_of_the_policy(
    house: House, bob: Client, api: TelegramApi, phone: TelegramUser, decider: Decider
) -> None:
    stranger = TelegramUser(api, phone.id + 1)
    assert "not linked" in press(house, stranger, "approve:a1")[0]
    TelegramUser(api, phone.id + 1, room=-100_200, kind="group").press("approve:a1")
    listen(house)
    assert "not linked" in stranger.texts()[0]
    assert decider.decided == []


def test_a_code_of_the_app_is_asked_for_and_works_once(
    house: House, bob: Client, phone: TelegramUser, decider: Decider
) -> None:
    decider.needs_proof = True
    app = enrol(house, bob)
    house.clock.advance(seconds=totp.STEP_SECONDS)
    code = app.code()
    assert press(house, phone, "approve:a1") == ["Send me a fresh code of your authenticator app."]
    assert decider.decided == []
    assert write(house, phone, f" {code} ") == ["Approved."]
    press(house, phone, "approve:a2")
    assert "Approved." not in write(house, phone, code)
    assert [approval for _, approval, *_ in decider.decided] == ["a1"]


def test_a_question_is_forgotten_after_a_while_and_is_nobody_elses(
    house: House, bob: Client, api: TelegramApi, phone: TelegramUser, decider: Decider
) -> None:
    decider.needs_proof = True
    press(house, phone, "approve:a1")
    assert "/link" in write(house, TelegramUser(api, phone.id + 1), "123456")[0]
    house.clock.advance(minutes=6)
    assert "/link" in write(house, phone, "123456")[0]


def test_a_reason_is_asked_for_where_the_policy_wants_one(
    house: House, bob: Client, phone: TelegramUser, decider: Decider
) -> None:
    decider.needs_reason = True
    assert press(house, phone, "reject:a1") == ["Send me your reason."]
    assert write(house, phone, "too late today") == ["Rejected."]
    assert decider.decided == [(BOB, "a1", "reject", "too late today")]


def test_what_is_written_in_a_room_is_not_for_the_bot(house: House, bob: Client, api: TelegramApi) -> None:
    room = TelegramUser(api, 1, room=-100_300, kind="group")
    assert write(house, room, "/link AAAAAAAAAA") == []


def test_without_approvals_nothing_is_decided(house: House, bob: Client, phone: TelegramUser) -> None:
    assert press(house, phone, "approve:a1") == ["this server takes no decisions from chats Decide on the page."]


def test_a_bot_that_cannot_be_reached_names_no_token(house: House, alice: Client, bob: Client) -> None:
    config = {"kind": "telegram", "base_url": "http://127.0.0.1:1", "allow_networks": LOOPBACK}
    post_notice(house, BOB)
    alice.patch("/api/v1/channels/bot", {"config": config, "credential": TOKEN})
    deliver(house)
    (delivery,) = deliveries(alice)
    assert delivery["state"] == "failed"
    assert TOKEN not in delivery["last_error"]
    with pytest.raises(Undelivered, match="cannot be reached") as caught:
        listen(house)
    assert TOKEN not in str(caught.value)


def test_a_link_of_one_org_is_nothing_in_another(house: House, bob: Client, phone: TelegramUser) -> None:
    org_ids = [house.actor(who).org_id for who in (ALICE, "gina@example.com")]
    found = [
        house.state.read(lambda db, org_id=org_id: chat_links.find_user(db, org_id, "telegram", str(phone.id)))
        for org_id in org_ids
    ]
    assert found == [house.actor(BOB).user_id, None]


def test_a_bot_that_is_moved_to_another_server_speaks_for_nobody(
    house: House, alice: Client, bob: Client, decider: Decider, phone: TelegramUser, api: TelegramApi
) -> None:
    """Whoever runs that server could say that anybody has pressed anything."""
    moved = {"kind": "telegram", "base_url": api.url.replace("127.0.0.1", "localhost"), "allow_networks": LOOPBACK}
    for change in ({"is_enabled": True}, {"credential": TOKEN}):
        assert alice.patch("/api/v1/channels/bot", change).status == 200
        assert bob.get("/api/v1/chat-links").json["items"][0]["chat_user"] == str(phone.id)
    assert alice.patch("/api/v1/channels/bot", {"config": moved, "credential": TOKEN}).status == 200
    assert bob.get("/api/v1/chat-links").json["items"][0]["chat_user"] is None
    assert press(house, phone, "approve:a1")[-1].startswith("You are not linked to an account here")
    assert decider.decided == []
