"""What people do in a chat with the Telegram bot, and what they are told there."""

from __future__ import annotations

from typing import Any

from tests.api.channel_setup import deliver
from tests.api.receivers import LOOPBACK
from tests.api.running_server import ApiServer, Client
from tests.api.telegram_api import TOKEN, TelegramApi, TelegramUser


def make_telegram(api_server: ApiServer, api: TelegramApi) -> Client:
    """Make the channel `bot` as Alice, who is returned."""
    alice = api_server.session("alice@example.com")
    config = {"kind": "telegram", "base_url": api.url, "allow_networks": LOOPBACK}

    made = alice.post("/api/v1/channels", {"name": "bot", "config": config, "credential": TOKEN})

    assert made.status == 201, made.content
    listen(api_server)  # what earlier tests have left
    return alice


def listen(api_server: ApiServer) -> None:
    for channel in api_server.services.inboxes["telegram"].channels():
        with api_server.services.inboxes["telegram"].open(channel) as turn:
            turn(0)


def link(api_server: ApiServer, person: Client, phone: TelegramUser) -> list[str]:
    code = person.post("/api/v1/chat-links", {"channel": "bot"}).json["code"]
    phone.write(f"/link {code}")
    listen(api_server)
    return phone.texts()


def press(api_server: ApiServer, phone: TelegramUser, data: str) -> list[str]:
    phone.press(data)
    listen(api_server)
    return phone.texts()


def write(api_server: ApiServer, phone: TelegramUser, text: str) -> list[str]:
    phone.write(text)
    listen(api_server)
    return phone.texts()


def told(api_server: ApiServer, chat: TelegramUser) -> list[dict[str, Any]]:
    """Return what is delivered to a chat now."""
    deliver(api_server)
    return chat.read()


def buttons(message: dict[str, Any]) -> list[str]:
    """Return what pressing each of a message's buttons sends."""
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return [button["callback_data"] for row in rows for button in row]


def state(admin: Client, automation: Any = None) -> str:
    """Return how far an automation is, or the newest one."""
    rows = admin.get("/api/v1/automations").json["items"]
    return next(
        str(row["state"]) for row in rows if automation is None or row["id"] == automation["id"]
    )
