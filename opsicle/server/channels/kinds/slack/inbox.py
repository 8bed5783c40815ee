"""What people write, press and fill in at a Slack app."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import msgspec

from opsicle.domain.approvals import Verdict
from opsicle.server.channels.chat_channels import ChatChannels
from opsicle.server.channels.chats import (
    ChatDecision,
    ChatPerson,
    Chats,
    MissingInput,
    link_code_in,
)
from opsicle.server.channels.egress_bounds import EgressBounds
from opsicle.server.channels.kinds.slack import SlackConfig
from opsicle.server.channels.kinds.slack.blocks import DECISION, REASON, TOTP, VALUES, dialog
from opsicle.server.channels.kinds.slack.transport import (
    Envelope,
    PressedButton,
    Slack,
    SlackConnection,
    SlackEvent,
    SubmittedView,
    payload_of,
)
from opsicle.server.channels.messages import Undelivered
from opsicle.server.keys.vault import Vault
from opsicle.server.store.channels import ChannelRow
from opsicle.server.store.database import Database

log = logging.getLogger(__name__)

HELP = "I bring you what Opsicle asks of you. To link yourself to your account, send me: link CODE"


class SlackInbox:
    """Hears what happens at every app.

    An envelope that comes twice does no harm: codes and votes count once.
    """

    def __init__(
        self, database: Database, vault: Vault, bounds: EgressBounds, chats: Chats
    ) -> None:
        self._apps = ChatChannels(database, vault, bounds, "slack")
        self._chats = chats

    def channels(self) -> dict[str, int]:
        """Return the apps to listen to, with the versions of their channels."""
        return self._apps.versions()

    @contextmanager
    def open(self, channel_id: str) -> Iterator[Callable[[int], int]]:
        """Open a connection to one app, and give what handles its next event.

        That says how much it handled.

        Raises Undelivered when the connection cannot be opened or is over.
        """
        channel = self._apps.find(channel_id)
        if channel is None:
            raise Undelivered("the channel has been turned off")
        config, tokens = self._apps.open(channel)
        assert isinstance(config, SlackConfig)
        with closing(_Listener(Slack(config, tokens), channel, self._chats)) as listener:
            yield listener.turn


class _Listener:
    """Owns the connection, and renews it when Slack says so, which it does every few hours."""

    def __init__(self, app: Slack, channel: ChannelRow, chats: Chats) -> None:
        self._app = app
        self._channel = channel
        self._chats = chats
        self._connection: SlackConnection = app.listen()

    def close(self) -> None:
        """Listen no more."""
        self._connection.close()

    def turn(self, wait_seconds: int) -> int:
        """Wait for one envelope and deal with it. Raises Undelivered."""
        envelope = self._connection.next(wait_seconds)
        if envelope is None:
            return 0
        if envelope.type == "disconnect":
            self._renew(envelope.reason)
        elif envelope.envelope_id:
            self._take(envelope)
        return 1

    def _renew(self, reason: str) -> None:
        """Open the next connection before the old one ends, so that nothing is missed."""
        if reason == "link_disabled":
            raise Undelivered("Socket Mode is turned off for the app")
        old, self._connection = self._connection, self._app.listen()
        old.close()

    def _take(self, envelope: Envelope) -> None:
        """Take a message of Slack, and answer it.

        Slack wants its answer within three seconds: only what comes of a dialog is part of it.
        """
        payload = payload_of(envelope)
        if payload.type == "view_submission" and payload.user and payload.view:
            self._filled_in(envelope, payload.user.id, payload.view)
            return

        self._connection.acknowledge(envelope)
        try:
            if payload.type == "block_actions" and payload.user and payload.actions:
                self._pressed(payload.user.id, payload.actions[0], payload.trigger_id)
            elif payload.event:
                self._written(payload.event)
        except Undelivered as error:
            log.warning(
                "a chat was not answered",
                extra={"channel": self._channel.id, "reason": error.reason},
            )

    def _pressed(self, user_id: str, button: PressedButton, trigger_id: str) -> None:
        """Tell whoever pressed what came of it, where only they read."""
        if button.action_id not in tuple(Verdict) or not button.value:
            return
        decision = ChatDecision(button.value, Verdict(button.action_id))
        outcome = self._chats.decide_as(self._person(user_id), decision)
        if outcome.wanted:
            question = (
                outcome.text
                if outcome.wanted is MissingInput.VALUES
                else "This approval asks for more before it takes your decision."
            )
            self._app.ask(
                trigger_id, dialog(decision.approval_id, decision.verdict, question, outcome.wanted)
            )
        else:
            self._app.say(user_id, outcome.text)

    def _filled_in(self, envelope: Envelope, user_id: str, view: SubmittedView) -> None:
        """Decide with what was filled in.

        What is wrong with it is shown in the dialog, which stays open.
        """
        decision = decision_in(view)
        if decision is None:
            self._connection.acknowledge(envelope)
            return

        outcome = self._chats.decide_as(self._person(user_id), decision)
        if outcome.wanted:
            errors = {outcome.wanted.value: outcome.text}
            self._connection.acknowledge(envelope, {"response_action": "errors", "errors": errors})
            return

        self._connection.acknowledge(envelope)
        try:
            self._app.say(user_id, outcome.text)
        except Undelivered as error:
            log.warning(
                "a chat was not answered",
                extra={"channel": self._channel.id, "reason": error.reason},
            )

    def _written(self, event: SlackEvent) -> None:
        """Handle what a person writes to the app alone; nothing else is for it."""
        is_for_us = (
            event.type == "message"
            and event.channel_type == "im"
            and not event.subtype
            and not event.bot_id
        )
        if not is_for_us or not event.user:
            return

        code = link_code_in(event.text)
        person = ChatPerson(self._channel, event.user, event.channel)
        self._app.say(event.channel, self._chats.link(person, code) if code else HELP)

    def _person(self, user_id: str) -> ChatPerson:
        return ChatPerson(self._channel, user_id, user_id)


class _DialogMetadata(msgspec.Struct):
    """What a dialog carries with it."""

    approval_id: str
    verdict: Verdict


def decision_in(view: SubmittedView) -> ChatDecision | None:
    """Return the decision in a dialog that was sent off, None if it is no dialog of ours."""
    try:
        about = msgspec.json.decode(view.private_metadata, type=_DialogMetadata)
    except msgspec.MsgspecError:
        return None
    if view.callback_id != DECISION:
        return None
    given = {name: _given(view, name) for name in (REASON, VALUES, TOTP)}
    return ChatDecision(about.approval_id, about.verdict, given[REASON], given[VALUES], given[TOTP])


def _given(view: SubmittedView, name: str) -> str:
    field = view.state.values.get(name, {}).get(name)
    return (field.value or "").strip() if field else ""
