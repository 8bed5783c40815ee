"""What people are told without having asked: an entry of their inbox, and what channels carry further."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from opsicle.domain.policies import Chat


class NoticeKind(StrEnum):
    """What has happened."""

    APPROVAL_REQUESTED = "approval_requested"
    APPROVAL_REMINDER = "approval_reminder"
    APPROVAL_ESCALATED = "approval_escalated"
    APPROVAL_ENDED = "approval_ended"
    AUTOMATION_FINISHED = "automation_finished"


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to tell: to users of the org (by id) and to rooms of chat services. `subject` is one line."""

    kind: NoticeKind
    org_id: str
    recipients: tuple[str, ...]
    chats: tuple[Chat, ...] = ()
    subject: str
    approval_id: str = ""
    automation_id: str = ""
