"""Slack, as an app in Socket Mode: https://docs.slack.dev/apis/events-api/using-socket-mode/.

What goes out are calls of the Web API with the bot's token; what comes in, envelopes over a
WebSocket that the app's token opens. Nothing has to reach the server from outside.
"""

from __future__ import annotations

import http
import re
from typing import TYPE_CHECKING, Any

import msgspec

from opsicle.domain.bounds import Word
from opsicle.server.channels.egress import EgressScope, post
from opsicle.server.channels.kinds.slack import SlackConfig
from opsicle.server.channels.kinds.slack.blocks import Block, blocks_of, fallback, sections
from opsicle.server.channels.messages import Message, Undelivered
from opsicle.version import __version__

if TYPE_CHECKING:
    from opsicle.server.channels.kinds.slack.websocket import WebSocket

_FINAL = frozenset(
    {
        "channel_not_found",
        "user_not_found",
        "not_in_channel",
        "is_archived",
        "cannot_dm_bot",
        "msg_too_long",
    }
)
_ERROR_CODE = re.compile(r"[a-z_]{1,60}")


class SlackUser(msgspec.Struct):
    """Who wrote, pressed or filled in."""

    id: Word


class PressedButton(msgspec.Struct):
    """A button that was pressed."""

    action_id: str = ""
    value: str | None = None


class Field(msgspec.Struct):
    """What stands in one field of a dialog."""

    value: str | None = None


class ViewState(msgspec.Struct):
    """All that was filled in: block → action → field."""

    values: dict[str, dict[str, Field]] = {}


class SubmittedView(msgspec.Struct):
    """A dialog that was sent off."""

    callback_id: str = ""
    private_metadata: str = ""
    state: ViewState = msgspec.field(default_factory=ViewState)


class SlackEvent(msgspec.Struct):
    """Something that was written. `im` is a room with the app alone."""

    type: str = ""
    channel_type: str = ""
    channel: Word = ""
    user: Word = ""
    text: str = ""
    subtype: str = ""
    bot_id: str = ""


class Payload(msgspec.Struct):
    """What an envelope holds."""

    type: str = ""
    user: SlackUser | None = None
    trigger_id: str = ""
    actions: list[PressedButton] = []
    view: SubmittedView | None = None
    event: SlackEvent | None = None


class Envelope(msgspec.Struct):
    """One thing that happened. Its id goes back at once, or Slack sends it again."""

    type: str
    envelope_id: str = ""
    payload: msgspec.Raw = msgspec.Raw(b"{}")
    reason: str = ""


def payload_of(envelope: Envelope) -> Payload:
    """Return what an envelope holds; nothing, if it is none of the things that we know."""
    try:
        return msgspec.json.decode(envelope.payload, type=Payload)
    except msgspec.MsgspecError:
        return Payload()


class _Reply(msgspec.Struct):
    ok: bool
    error: str = ""
    url: str = ""


class Slack:
    """One app in one workspace. `tokens` are the app's (xapp-) and the bot's (xoxb-)."""

    def __init__(self, config: SlackConfig, tokens: str) -> None:
        self._base = config.base_url.rstrip("/")
        self._reach = EgressScope(config.allow_networks, config.ca_pem)
        self._app_token, _, self._bot_token = tokens.partition(" ")

    def send(self, message: Message) -> None:
        """Send a message; who is asked to decide gets two buttons.

        See `Transport`. Who is asked to decide gets two buttons.
        """
        self._post(message.target, message.subject, blocks_of(message))

    def say(self, room: str, text: str) -> None:
        """Write to a room, or to a user. The text is never markup. Raises Undelivered."""
        self._post(room, text, sections(text))

    def ask(self, trigger_id: str, dialog: Block) -> None:
        """Open a dialog for whoever has just pressed a button. Raises Undelivered."""
        self._call("views.open", self._bot_token, {"trigger_id": trigger_id, "view": dialog})

    def listen(self) -> SlackConnection:
        """Open a connection over which is told what happens. Raises Undelivered."""
        from opsicle.server.channels.kinds.slack.websocket import (
            WebSocket,  # only servers that have such a channel need it
        )

        opened = self._call("apps.connections.open", self._app_token, {})
        return SlackConnection(WebSocket.open(opened.url, self._reach))

    def _post(self, room: str, text: str, blocks: list[Block]) -> None:
        plain = {"mrkdwn": False, "unfurl_links": False, "unfurl_media": False}
        content = {"channel": room, "text": fallback(text), "blocks": blocks, **plain}
        self._call("chat.postMessage", self._bot_token, content)

    def _call(self, method: str, token: str, content: dict[str, object]) -> _Reply:
        """Call the Web API. Raises Undelivered, which never holds what was sent."""
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": f"opsicle/{__version__}",
        }
        answer = post(f"{self._base}/{method}", msgspec.json.encode(content), headers, self._reach)

        try:
            reply = msgspec.json.decode(answer.body, type=_Reply)
        except msgspec.MsgspecError as error:
            raise Undelivered(f"Slack's answer ({answer.status}) cannot be read") from error
        if answer.status != http.HTTPStatus.OK or not reply.ok:
            shown = reply.error if _ERROR_CODE.fullmatch(reply.error) else answer.status
            raise Undelivered(f"Slack answered {shown}", is_final=reply.error in _FINAL)
        return reply


class SlackConnection:
    """What happens at Slack, one envelope after the other."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    def next(self, wait_seconds: float) -> Envelope | None:
        """Return what happened next, or None if nothing did in this time.

        Raises Undelivered when the connection is over.
        """
        text = self._socket.receive(wait_seconds)
        if text is None:
            return None
        try:
            return msgspec.json.decode(text, type=Envelope)
        except msgspec.MsgspecError as error:
            raise Undelivered("Slack sent an envelope that cannot be read") from error

    def acknowledge(self, envelope: Envelope, payload: dict[str, Any] | None = None) -> None:
        """Say that an envelope has arrived, with what Slack shall do about it.

        Raises Undelivered.
        """
        answer: dict[str, Any] = {"envelope_id": envelope.envelope_id}
        self._socket.send(
            msgspec.json.encode(answer | ({"payload": payload} if payload else {})).decode()
        )

    def close(self) -> None:
        """End it."""
        self._socket.close()
