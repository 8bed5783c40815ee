"""Decisions in a chat that has words only.

What a press of a button lacks is asked for and taken from the answer.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from opsicle.domain.approvals import Verdict
from opsicle.kit.clock import Clock
from opsicle.server.channels.chats import ChatDecision, ChatPerson, Chats, MissingInput

ANSWER_LIFETIME = timedelta(minutes=5)


class _Question(NamedTuple):
    """A decision that waits for what it lacks."""

    decision: ChatDecision
    wanted: MissingInput
    until: datetime


class ChatQuestions:
    """One open question per chat user, in memory: if the server ends, they press again.

    Answers with what to tell.
    """

    def __init__(self, chats: Chats, clock: Clock) -> None:
        self._chats = chats
        self._clock = clock
        self._open: dict[tuple[str, str], _Question] = {}

    def press(self, person: ChatPerson, verdict: Verdict, approval_id: str) -> str:
        """Decide, as far as a press of a button can. What was asked before is forgotten."""
        self._open.pop(_key(person), None)
        return self._try(person, ChatDecision(approval_id, verdict))

    def answer(self, person: ChatPerson, text: str) -> str:
        """Decide with what was asked for. "" if nothing was."""
        question = self._open.pop(_key(person), None)
        if question is None or question.until < self._clock.now():
            return ""
        if question.wanted is MissingInput.VALUES:
            return self._try(person, question.decision._replace(values=text))
        if question.wanted is MissingInput.REASON:
            return self._try(person, question.decision._replace(reason=text))
        return self._try(person, question.decision._replace(totp=text.strip()))

    def _try(self, person: ChatPerson, decision: ChatDecision) -> str:
        outcome = self._chats.decide_as(person, decision)
        if outcome.wanted:
            until = self._clock.now() + ANSWER_LIFETIME
            self._open[_key(person)] = _Question(decision._replace(totp=""), outcome.wanted, until)
        return outcome.text


def _key(person: ChatPerson) -> tuple[str, str]:
    return person.channel.id, person.chat_user_id
