"""Telegram: who is linked is told, and what they press is their account's decision.

It needs the account's role, and its code where the gate asks for one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.security import totp
from opsicle.server.channels.messages import CUT, Undelivered
from tests.api.authenticator_app import enrol
from tests.api.channel_setup import ask, deliver, deliveries, entries, make_email, post_notice
from tests.api.receivers import LOOPBACK, certified, mail_server
from tests.api.running_server import ApiServer, Client
from tests.api.telegram_api import TOKEN, TelegramApi, TelegramUser
from tests.api.telegram_chat import buttons, link, listen, make_telegram, press, state, told, write

ALICE, BOB, MIA = "alice@example.com", "bob@example.com", "mia@example.com"


@pytest.fixture
def alice(api_server: ApiServer, telegram: TelegramApi) -> Client:
    """Return Alice, who has made the channel."""
    return make_telegram(api_server, telegram)


@pytest.fixture
def bob(api_server: ApiServer, alice: Client, phone: TelegramUser) -> Client:
    """Bob, linked to his Telegram account."""
    bob = api_server.person("acme", "bob", BuiltInRole.MANAGER)
    link(api_server, bob, phone)
    return bob


@pytest.fixture
def mia(api_server: ApiServer, alice: Client, bob: Client) -> Client:
    """Mia, whose manager is Bob."""
    mia = api_server.person("acme", "mia", BuiltInRole.MEMBER)
    assert alice.patch(f"/api/v1/users/{MIA}", {"manager": BOB}).status == 200
    return mia


def test_whoever_is_asked_is_told_all_that_there_is_to_know_with_buttons(
    api_server: ApiServer, alice: Client, bob: Client, mia: Client, phone: TelegramUser
) -> None:
    commands = (
        "nginx -t",
        "echo  'two  spaces'\n\nUntil: never",
        *(f"echo {number}" for number in range(20)),
    )
    asked = ask(alice, mia, commands=commands, values={"service": "a\nReason: none"})
    (message,) = told(api_server, phone)

    lines = message["text"].splitlines()
    assert lines[:5] == [
        "mia@example.com asks to run restart-web version 1",
        "Asked by: mia (mia@example.com)",
        "Template: restart-web, version 1",
        'Values: service="a\\nReason: none"',
        "    password=••••",
    ]
    assert lines[5:10] == [
        "Reason: it hangs",
        "Runs: check: nginx -t",
        "    check: echo  'two  spaces'",
        "    ",
        "    Until: never",
    ]

    assert lines[20] == "    … and 10 more: see the page"
    assert lines[21] == "Waits for: boss: 1 of bob@example.com"
    assert lines[22].startswith("Until: 20")
    assert lines[23:] == [f"https://ops.example.com/approvals/{asked['approval_id']}"]

    assert "hunter2" not in message["text"]
    assert "parse_mode" not in message
    assert buttons(message) == [f"approve:{asked['approval_id']}", f"reject:{asked['approval_id']}"]


def test_what_is_too_long_says_that_it_was_cut_and_keeps_the_link(
    api_server: ApiServer, alice: Client, bob: Client, mia: Client, phone: TelegramUser
) -> None:
    long = "\U0001f600" * 850
    asked = ask(alice, mia, commands=("x" * 5000,), reason=long, values={"service": long})
    (message,) = told(api_server, phone)
    text = message["text"]
    assert len(text.encode("utf-16-le")) <= 2 * 4096
    assert f"{CUT}\nhttps://ops.example.com/approvals/{asked['approval_id']}" in text


def test_long_commands_say_so(
    api_server: ApiServer, alice: Client, bob: Client, mia: Client, phone: TelegramUser
) -> None:
    ask(alice, mia, commands=("x" * 5000,))
    (message,) = told(api_server, phone)
    assert f"xxx{CUT}\nWaits for: " in message["text"]


def test_a_room_of_the_policy_is_told_of_the_question_and_of_its_end(
    api_server: ApiServer,
    alice: Client,
    bob: Client,
    mia: Client,
    telegram: TelegramApi,
    phone: TelegramUser,
) -> None:
    room = TelegramUser(telegram, phone.id, room=-phone.id, kind="group")
    chats = f"[{{channel: telegram, id: '-{phone.id}'}}, {{channel: slack, id: C1}}]"
    ask(alice, mia, gate=f"{{name: boss, approvers: {{manager: true}}, chats: {chats}}}")
    (message,) = told(api_server, room)
    assert "Runs: check: nginx -t" in message["text"]
    room.press(buttons(message)[0])
    listen(api_server)
    assert [each["text"] for each in told(api_server, room)][-1].startswith(
        f"{MIA} asked to run restart-web version 1: app"
    )
    assert state(alice) == "queued"
    assert f"-{phone.id}" in [each["recipient"] for each in deliveries(alice)]


def test_a_press_decides_as_the_account_and_everybody_hears_of_it(
    api_server: ApiServer,
    alice: Client,
    bob: Client,
    mia: Client,
    telegram: TelegramApi,
    phone: TelegramUser,
) -> None:
    mias = TelegramUser(telegram, phone.id + 1)
    link(api_server, mia, mias)
    asked = ask(alice, mia)
    (message,) = told(api_server, phone)

    assert press(api_server, phone, buttons(message)[0]) == ["Approved. restart-web is approved."]
    assert state(alice) == "queued"

    (entry,) = entries(alice, "approve")
    assert (entry["actor_name"], entry["channel"], entry["address"]) == (
        BOB,
        "telegram",
        f"telegram:{phone.id}",
    )
    assert entry["resource"] == f"approvals/{asked['approval_id']}"

    for chat in (phone, mias):
        (end,) = told(api_server, chat)
        assert (
            end["text"].splitlines()[0]
            == "mia@example.com asked to run restart-web version 1: approved"
        )
        assert "Decided: bob@example.com: approve on boss" in end["text"]
        assert buttons(end) == []


def test_the_requester_is_told_by_e_mail_too(
    api_server: ApiServer,
    alice: Client,
    bob: Client,
    mia: Client,
    phone: TelegramUser,
    tmp_path: Path,
) -> None:
    certificate = certified(tmp_path, "localhost")
    with mail_server(certificate.context) as server:
        make_email(alice, server, certificate.ca_pem)
        ask(alice, mia)
        (message,) = told(api_server, phone)
        press(api_server, phone, buttons(message)[1])
        deliver(api_server)
        (mail,) = (each for each in server.mailbox.messages if each["To"] == MIA)
    assert mail["Subject"] == "mia@example.com asked to run restart-web version 1: rejected"
    assert state(alice) == "rejected"


def test_a_press_that_comes_again_counts_once(
    api_server: ApiServer, alice: Client, bob: Client, mia: Client, phone: TelegramUser
) -> None:
    gate = "{name: two, approvers: {users: [bob@example.com, carl@example.com]}, required: 2}"
    api_server.person("acme", "carl", BuiltInRole.MEMBER)
    asked = ask(alice, mia, gate=gate)
    (message,) = told(api_server, phone)
    waiting = "Approved. It still waits for two: 1 of carl@example.com."
    assert [press(api_server, phone, buttons(message)[0]) for _ in range(3)] == [[waiting]] * 3
    shown = alice.get(f"/api/v1/approvals/{asked['approval_id']}").json
    assert (
        shown["state"],
        len(shown["gates"][0]["decisions"]),
        len(entries(alice, "approve")),
    ) == ("pending", 1, 1)
    assert "a decision stays" in press(api_server, phone, buttons(message)[1])[0]


def test_after_the_end_a_button_decides_nothing(
    api_server: ApiServer, alice: Client, bob: Client, mia: Client, phone: TelegramUser
) -> None:
    asked = ask(alice, mia)
    (message,) = told(api_server, phone)
    mia.post(f"/api/v1/approvals/{asked['approval_id']}/withdraw")
    assert press(api_server, phone, buttons(message)[0]) == [
        "this approval is over: it is withdrawn."
    ]
    assert "Approved" not in press(api_server, phone, "approve:01h00000000000000000000000")[0]
    assert press(api_server, phone, "launch:missiles") == []
    assert entries(alice, "approve") == []


@pytest.mark.parametrize("change", [{"role": "reporter"}, {"is_disabled": True}, None])
def test_a_role_or_membership_lost_since_is_lost_in_the_chat_too(
    api_server: ApiServer,
    alice: Client,
    bob: Client,
    mia: Client,
    phone: TelegramUser,
    change: dict[str, object] | None,
) -> None:
    ask(alice, mia)
    (message,) = told(api_server, phone)
    alice.patch(f"/api/v1/users/{MIA}", {"manager": None})
    answer = (
        alice.patch(f"/api/v1/users/{BOB}", change)
        if change
        else alice.delete(f"/api/v1/users/{BOB}?confirmed=true")
    )
    assert answer.status in (200, 204), answer.content
    (said,) = press(api_server, phone, buttons(message)[0])
    assert ("may not do this" if change and "role" in change else "not linked") in said
    assert state(alice) == "awaiting_approval"


def test_neither_a_stranger_nor_who_asked_nor_who_is_not_asked_decides(
    api_server: ApiServer,
    alice: Client,
    bob: Client,
    mia: Client,
    telegram: TelegramApi,
    phone: TelegramUser,
) -> None:
    ask(alice, mia)
    (message,) = told(api_server, phone)
    anonymous, own, other = (TelegramUser(telegram, phone.id + 1 + number) for number in range(3))
    link(api_server, mia, own)
    link(api_server, api_server.person("acme", "mallory", BuiltInRole.ADMIN), other)
    for data in buttons(message):
        assert press(api_server, anonymous, data)[0].startswith(
            "You are not linked to an account here."
        )
        assert press(api_server, own, data) == [
            "you asked for this yourself. Somebody else has to decide."
        ]
        assert press(api_server, other, data)[0].startswith(
            "you are not among those who decide on this."
        )
    assert state(alice) == "awaiting_approval"


def test_in_a_room_a_press_is_the_pressers_and_nobody_elses(
    api_server: ApiServer,
    alice: Client,
    bob: Client,
    mia: Client,
    telegram: TelegramApi,
    phone: TelegramUser,
) -> None:
    ask(alice, mia)
    (message,) = told(api_server, phone)
    anonymous = TelegramUser(telegram, phone.id + 1)
    TelegramUser(telegram, anonymous.id, room=-phone.id, kind="group").press(buttons(message)[0])
    listen(api_server)
    assert "not linked" in anonymous.texts()[0]
    assert state(alice) == "awaiting_approval"
    TelegramUser(telegram, phone.id, room=-phone.id, kind="group").press(buttons(message)[0])
    listen(api_server)
    assert phone.texts() == ["Approved. restart-web is approved."]


def test_a_code_of_the_app_is_asked_for_until_it_is_right_and_works_once(
    api_server: ApiServer, alice: Client, bob: Client, mia: Client, phone: TelegramUser
) -> None:
    gate = "{name: boss, approvers: {manager: true}, requireMfa: true}"
    asked, second = ask(alice, mia, gate=gate), ask(alice, mia, gate=gate)
    app = enrol(api_server, bob)
    first_message, second_message = told(api_server, phone)
    api_server.clock.advance(seconds=totp.STEP_SECONDS)
    code = app.code()

    assert press(api_server, phone, buttons(first_message)[0]) == [
        "Send me a fresh code of your authenticator app."
    ]

    wrong = "the code is wrong or has been used. Send me a fresh code of your authenticator app."
    assert write(api_server, phone, app.code(later=40)) == [wrong]
    assert state(alice, asked) == "awaiting_approval"

    assert write(api_server, phone, f" {code} ") == ["Approved. restart-web is approved."]
    shown = alice.get(f"/api/v1/approvals/{asked['approval_id']}").json
    assert shown["gates"][0]["decisions"][0]["with_mfa"] is True
    assert [entry["channel"] for entry in entries(alice, "refuse_totp")] == ["telegram"]

    press(api_server, phone, buttons(second_message)[0])
    assert write(api_server, phone, code) == [wrong]
    assert state(alice, second) == "awaiting_approval"


def test_codes_are_not_guessed_in_a_chat(
    api_server: ApiServer, alice: Client, bob: Client, mia: Client, phone: TelegramUser
) -> None:
    ask(alice, mia, gate="{name: boss, approvers: {manager: true}, requireMfa: true}")
    app = enrol(api_server, bob)
    (message,) = told(api_server, phone)
    press(api_server, phone, buttons(message)[0])
    said = [write(api_server, phone, app.code(later=40))[0] for _ in range(30)]
    assert any("too many" in each for each in said)
    press(api_server, phone, buttons(message)[0])
    api_server.clock.advance(seconds=totp.STEP_SECONDS)
    assert "too many" in write(api_server, phone, app.code())[0]


def test_a_question_is_forgotten_after_a_while_and_is_nobody_elses(
    api_server: ApiServer,
    alice: Client,
    bob: Client,
    mia: Client,
    telegram: TelegramApi,
    phone: TelegramUser,
) -> None:
    ask(alice, mia, gate="{name: boss, approvers: {manager: true}, requireReason: true}")
    (message,) = told(api_server, phone)
    press(api_server, phone, buttons(message)[0])
    assert "link CODE" in write(api_server, TelegramUser(telegram, phone.id + 1), "go on")[0]
    api_server.clock.advance(minutes=6)
    assert "link CODE" in write(api_server, phone, "go on")[0]
    assert state(alice) == "awaiting_approval"


def test_a_reason_and_a_code_are_asked_for_one_after_the_other(
    api_server: ApiServer, alice: Client, bob: Client, mia: Client, phone: TelegramUser
) -> None:
    gate = "{name: boss, approvers: {manager: true}, requireReason: true, requireMfa: true}"
    asked = ask(alice, mia, gate=gate)
    app = enrol(api_server, bob)
    api_server.clock.advance(seconds=totp.STEP_SECONDS)
    (message,) = told(api_server, phone)
    assert press(api_server, phone, buttons(message)[1]) == ["Send me your reason."]
    assert write(api_server, phone, "too late today") == [
        "Send me a fresh code of your authenticator app."
    ]
    assert write(api_server, phone, app.code()) == ["Rejected. restart-web is rejected."]
    (decision,) = alice.get(f"/api/v1/approvals/{asked['approval_id']}").json["gates"][0][
        "decisions"
    ]
    assert (decision["reason"], decision["with_mfa"]) == ("too late today", True)


def test_what_is_written_in_a_room_is_not_for_the_bot(
    api_server: ApiServer, bob: Client, telegram: TelegramApi
) -> None:
    room = TelegramUser(telegram, 1, room=-100_300, kind="group")
    assert write(api_server, room, "/link AAAAAAAAAA") == []


def test_a_bot_that_cannot_be_reached_names_no_token(
    api_server: ApiServer, alice: Client, bob: Client
) -> None:
    config = {"kind": "telegram", "base_url": "http://127.0.0.1:1", "allow_networks": LOOPBACK}
    post_notice(api_server, BOB)
    alice.patch("/api/v1/channels/bot", {"config": config, "credential": TOKEN})
    deliver(api_server)
    (delivery,) = deliveries(alice)
    assert delivery["state"] == "failed"
    assert TOKEN not in delivery["last_error"]
    with pytest.raises(Undelivered, match="cannot be reached") as caught:
        listen(api_server)
    assert TOKEN not in str(caught.value)
