"""Telegram, as a bot: https://core.telegram.org/bots/api.

The token stands in every URL, so no error names one.
"""

from __future__ import annotations

import http
from typing import TypeVar

import msgspec

from opsicle.domain.approvals import Verdict
from opsicle.domain.notices import DECISION_REQUESTS
from opsicle.server.channels.egress import EXCHANGE_SECONDS, EgressScope, post
from opsicle.server.channels.kinds.telegram import TelegramConfig
from opsicle.server.channels.messages import CUT, Message, Undelivered, lines_of, one_line

T = TypeVar("T")

MAX_TEXT_UNITS = 4000
"""Of UTF-16, as Telegram counts; it takes 4096."""

_FINAL = frozenset({http.HTTPStatus.BAD_REQUEST, http.HTTPStatus.FORBIDDEN})
"""No such chat; the person has blocked the bot."""


class ChatUser(msgspec.Struct):
    """Who wrote or pressed."""

    id: int


class TelegramChat(msgspec.Struct):
    """Where it was written; `private` is a room with the bot alone."""

    id: int
    type: str = ""


class Text(msgspec.Struct):
    """A message to the bot."""

    chat: TelegramChat
    from_: ChatUser | None = msgspec.field(name="from", default=None)
    text: str = ""


class ButtonPress(msgspec.Struct):
    """A button that was pressed."""

    id: str | int
    from_: ChatUser = msgspec.field(name="from")
    data: str = ""


class Update(msgspec.Struct):
    """One thing that happened."""

    update_id: int
    message: Text | None = None
    callback_query: ButtonPress | None = None


class _TelegramReply(msgspec.Struct):
    ok: bool
    result: msgspec.Raw = msgspec.Raw(b"null")
    error_code: int = 0


class Telegram:
    """One bot."""

    def __init__(self, config: TelegramConfig, token: str) -> None:
        self._base = f"{config.base_url.rstrip('/')}/bot{token}"
        self._reach = EgressScope(config.allow_networks, config.ca_pem)

    def send(self, message: Message) -> None:
        """Send a message; who is asked to decide gets two buttons.

        See `Transport`. Who is asked to decide gets two buttons.
        """
        self.say(message.target, text_of(message), buttons_of(message))

    def say(self, chat_id: str, text: str, buttons: list[tuple[str, str]] | None = None) -> None:
        """Write to a room; `buttons` are texts with what a press sends.

        The text is never markup.
        """
        content: dict[str, object] = {"chat_id": chat_id, "text": shortened(text, MAX_TEXT_UNITS)}
        if buttons:
            row = [{"text": label, "callback_data": pressed} for label, pressed in buttons]
            content["reply_markup"] = {"inline_keyboard": [row]}
        self._call("sendMessage", content, object)

    def answer(self, press: ButtonPress, text: str) -> None:
        """Show whoever pressed a button what came of it."""
        self._call(
            "answerCallbackQuery", {"callback_query_id": str(press.id), "text": text[:200]}, object
        )

    def updates(self, offset: int, wait_seconds: int) -> list[Update]:
        """Return what happened from `offset` on; all before it is thereby done with.

        Waits for something to happen.
        """
        wanted = {
            "offset": offset,
            "timeout": wait_seconds,
            "allowed_updates": ["message", "callback_query"],
        }
        return self._call("getUpdates", wanted, list[Update], wait_seconds)

    def _call(
        self, method: str, content: dict[str, object], of: type[T], wait_seconds: int = 0
    ) -> T:
        answer = post(
            f"{self._base}/{method}",
            msgspec.json.encode(content),
            {"Content-Type": "application/json"},
            self._reach,
            EXCHANGE_SECONDS + wait_seconds,
        )

        try:
            reply = msgspec.json.decode(answer.body, type=_TelegramReply)
            if reply.ok:
                return msgspec.json.decode(reply.result, type=of)
        except msgspec.MsgspecError as error:
            raise Undelivered(f"Telegram's answer ({answer.status}) cannot be read") from error

        code = reply.error_code or answer.status
        raise Undelivered(f"Telegram answered {code}", is_final=code in _FINAL)


def text_of(message: Message) -> str:
    """Return a message as text.

    Where it is too long it says that it was cut; the link to the page always stands there.
    """
    facts = [line for fact in message.facts for line in lines_of(fact)]
    text = "\n".join([one_line(message.subject), *facts])
    return f"{shortened(text, MAX_TEXT_UNITS - len(message.url) - 1)}\n{message.url}"


def shortened(text: str, most: int) -> str:
    """Return the text with at most so many units of UTF-16, which says so if it was cut."""
    encoded = text.encode("utf-16-le", "replace")
    if len(encoded) <= 2 * most:
        return text
    return encoded[: 2 * (most - len(CUT))].decode("utf-16-le", "ignore") + CUT


def buttons_of(message: Message) -> list[tuple[str, str]]:
    """Return the two buttons of a message that asks for a decision."""
    if message.kind not in DECISION_REQUESTS or not message.approval_id:
        return []
    return [(verdict.capitalize(), f"{verdict}:{message.approval_id}") for verdict in Verdict]
