"""What people write and press at a Telegram bot."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from opsicle.domain.approvals import Verdict
from opsicle.kit.clock import Clock
from opsicle.server.channels.chat_channels import ChatChannels
from opsicle.server.channels.chat_questions import ChatQuestions
from opsicle.server.channels.chats import ChatPerson, Chats, link_code_in
from opsicle.server.channels.egress_bounds import EgressBounds
from opsicle.server.channels.kinds.telegram import TelegramConfig
from opsicle.server.channels.kinds.telegram.transport import ButtonPress, Telegram, Text, Update
from opsicle.server.channels.messages import Undelivered
from opsicle.server.keys.vault import Vault
from opsicle.server.store.channels import ChannelRow
from opsicle.server.store.database import Database

log = logging.getLogger(__name__)

HELP = "I bring you what Opsicle asks of you. To link this chat to your account, send me: link CODE"


class TelegramInbox:
    """Reads what happened at every bot.

    An update that is read twice does no harm: codes and votes count once.
    """

    def __init__(
        self, database: Database, vault: Vault, bounds: EgressBounds, chats: Chats, clock: Clock
    ) -> None:
        self._bots = ChatChannels(database, vault, bounds, "telegram")
        self._chats = chats
        self._questions = ChatQuestions(chats, clock)
        self._offsets: dict[str, int] = {}

    def channels(self) -> dict[str, int]:
        """Return the bots to listen to, with the versions of their channels."""
        return self._bots.versions()

    @contextmanager
    def open(self, channel_id: str) -> Iterator[Callable[[int], int]]:
        """Give what waits for something to happen at one bot and deals with it; see `poll`."""
        yield partial(self.poll, channel_id)

    def poll(self, channel_id: str, wait_seconds: int) -> int:
        """Wait for something to happen at one bot and deal with it; how much that was.

        Raises Undelivered.
        """
        channel = self._bots.find(channel_id)
        if channel is None:
            return 0

        bot = self._bot(channel)
        updates = bot.updates(self._offsets.get(channel_id, 0), wait_seconds)
        for update in updates:
            self._offsets[channel_id] = max(self._offsets.get(channel_id, 0), update.update_id + 1)
            try:
                self._handle(bot, channel, update)
            except Undelivered as error:
                log.warning(
                    "a chat was not answered", extra={"channel": channel.id, "reason": error.reason}
                )
        return len(updates)

    def _bot(self, channel: ChannelRow) -> Telegram:
        config, token = self._bots.open(channel)
        assert isinstance(config, TelegramConfig)
        return Telegram(config, token)

    def _handle(self, bot: Telegram, channel: ChannelRow, update: Update) -> None:
        if update.callback_query:
            self._pressed(bot, channel, update.callback_query)
        elif update.message and update.message.from_ and update.message.chat.type == "private":
            answer = self._written(channel, update.message, str(update.message.from_.id))
            bot.say(str(update.message.chat.id), answer)

    def _pressed(self, bot: Telegram, channel: ChannelRow, press: ButtonPress) -> None:
        """Tell whoever pressed what came of it, in the chat that is theirs alone."""
        word, _, approval_id = press.data.partition(":")
        if word not in tuple(Verdict) or not approval_id:
            return
        own_room = str(press.from_.id)  # a user's id is also their private room with the bot
        answer = self._questions.press(
            ChatPerson(channel, own_room, own_room), Verdict(word), approval_id
        )
        bot.answer(press, answer)
        bot.say(own_room, answer)

    def _written(self, channel: ChannelRow, message: Text, chat_user_id: str) -> str:
        person = ChatPerson(channel, chat_user_id, str(message.chat.id))
        if code := link_code_in(message.text):
            return self._chats.link(person, code)
        return self._questions.answer(person, message.text) or HELP
