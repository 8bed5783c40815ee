"""What people are told without having asked.

An entry of their inbox, and what channels carry further.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from opsicle.domain.policies import Chat


class NoticeKind(StrEnum):
    """What has happened.

    `AUTOMATION_SUCCEEDED` is no notice of its own: whoever chooses it is told of
    `AUTOMATION_FINISHED` also where what they asked for went well.
    """

    APPROVAL_REQUESTED = "approval_requested"
    APPROVAL_REMINDER = "approval_reminder"
    APPROVAL_ESCALATED = "approval_escalated"
    APPROVAL_STUCK = "approval_stuck"
    APPROVAL_ENDED = "approval_ended"
    AUTOMATION_FINISHED = "automation_finished"
    AUTOMATION_SUCCEEDED = "automation_succeeded"
    START_REFUSED = "start_refused"
    CHANNEL_TEST = "channel_test"
    PASSWORD_RESET = "password_reset"
    INVITATION = "invitation"


DECISION_REQUESTS = frozenset(
    {NoticeKind.APPROVAL_REQUESTED, NoticeKind.APPROVAL_REMINDER, NoticeKind.APPROVAL_ESCALATED}
)
"""Kinds that ask somebody to decide."""

CHOOSABLE = tuple(
    kind
    for kind in NoticeKind
    if kind not in (NoticeKind.CHANNEL_TEST, NoticeKind.PASSWORD_RESET, NoticeKind.INVITATION)
)
"""Kinds that people may turn off for themselves: the others somebody has asked for just now."""

CHOSEN_ONLY = frozenset({NoticeKind.AUTOMATION_SUCCEEDED})
"""What people hear of only if they say so; of all else until they say otherwise."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to tell: to users of the org (by id) and to rooms of chat services.

    `subject` is one line.

    Those recipients who are among `of_success` are told only if they want to hear of successes.
    """

    kind: NoticeKind
    org_id: str
    recipients: tuple[str, ...]
    of_success: tuple[str, ...] = ()
    chats: tuple[Chat, ...] = ()
    subject: str
    approval_id: str = ""
    automation_id: str = ""
